#!/usr/bin/env bash
# Passwords and the first API key for deploy/compose.yaml: deploy/.env and deploy/secrets/api-keys.json. Never overwrites.
set -euo pipefail
cd "$(dirname "$0")"
if [ -e .env ] || [ -e secrets/api-keys.json ]; then
    echo "deploy/.env or deploy/secrets/api-keys.json exists already; remove them to start afresh" >&2
    exit 1
fi
umask 077
mkdir -p secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in QDRANT_API_KEY REDIS_PASSWORD TRITON_ADMIN_SECRET GRAFANA_PASSWORD LLM_API_KEY; do
    echo "$name=$(random)"
done >.env
key="pho_$(random)"
hash=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
printf '[{"id": "admin", "sha256": "%s", "role": "admin"}]\n' "$hash" >secrets/api-keys.json
# The container's user, who is not you, has to read it; it holds hashes only.
chmod 755 secrets && chmod 644 secrets/api-keys.json
echo "The API key, shown this once: $key"
