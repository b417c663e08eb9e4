#!/usr/bin/env bash
# Lock every dependency with hashes. All locks are subsets of requirements/dev.txt.
set -euo pipefail
compile=("${1:-pip-compile}" --quiet --no-header --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links
    --unsafe-package torch --unsafe-package phoserve)
mkdir -p requirements
"${compile[@]}" --extra dev -o requirements/dev.txt pyproject.toml
for extra in local api ingest export; do
    "${compile[@]}" --extra "$extra" --extra command -c requirements/dev.txt -o "requirements/$extra.txt" pyproject.toml
done
for extra in loadtest triton; do
    "${compile[@]}" --extra "$extra" -c requirements/dev.txt -o "requirements/$extra.txt" pyproject.toml
done
