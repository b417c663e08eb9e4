#!/usr/bin/env bash
# Create passwords and the first API key for deploy/compose.yaml: deploy/.env and deploy/secrets/api-keys.json. Never overwrites them.
set -euo pipefail
cd "$(dirname "$0")"
if [ -e .env ] || [ -e secrets/api-keys.json ]; then
    echo "deploy/.env or deploy/secrets/api-keys.json already exists; remove both to create new ones" >&2
    exit 1
fi
umask 077
mkdir -p secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in QDRANT_API_KEY POSTGRES_PASSWORD REDIS_PASSWORD TRITON_ADMIN_SECRET TRITON_API_KEY GRAFANA_PASSWORD LLM_API_KEY; do
    echo "$name=$(random)"
done >.env
key="pho_$(random)"
hash=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
printf '[{"id": "admin", "sha256": "%s", "role": "admin"}]\n' "$hash" >secrets/api-keys.json
# Prometheus reads this file as another user; the folder keeps the users of this machine out.
mkdir -p secrets/private
sed -n 's/^QDRANT_API_KEY=//p' .env | tr -d '\n' >secrets/private/qdrant-key
chmod 644 secrets/private/qdrant-key
# The container runs as another user, who must read this file. It contains only hashes.
chmod 755 secrets && chmod 644 secrets/api-keys.json
echo "The API key, shown only once: $key"
