#!/usr/bin/env bash
# Build the images, with provenance and a bill of materials, from base images pinned by their current digests.
# usage: build.sh REGISTRY VERSION [--push]
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${1:?usage: build.sh REGISTRY VERSION [--push]} version=${2:?usage: build.sh REGISTRY VERSION [--push]}
push=${3:-}

pinned() { # print the default image of a build argument with its digest
    local image
    image=$(sed -n "s/^ARG $1=//p" deploy/Dockerfile)
    echo "${image%%@*}@$(docker buildx imagetools inspect --format '{{json .Manifest.Digest}}' "$image" | tr -d '"')"
}
python=$(pinned PYTHON_IMAGE) triton=$(pinned TRITON_IMAGE) postgres=$(pinned POSTGRES_IMAGE)
echo "base images: $python, $triton, $postgres"

for target in api worker triton export plan loadtest backup; do
    docker buildx build --file deploy/Dockerfile --target "$target" --tag "$registry/$target:$version" \
        --build-arg "PYTHON_IMAGE=$python" --build-arg "TRITON_IMAGE=$triton" \
        --build-arg "POSTGRES_IMAGE=$postgres" \
        --sbom=true --provenance=mode=max ${push:+"$push"} .
done
docker buildx build --file deploy/Dockerfile --target sbom --output "type=local,dest=dist/sbom" \
    --build-arg "PYTHON_IMAGE=$python" --build-arg "TRITON_IMAGE=$triton" .
