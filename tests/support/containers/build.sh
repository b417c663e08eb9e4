#!/usr/bin/env bash
# Build the images that tests/e2e/test_compose_run.py starts, as root, with buildah and without an image registry.
# usage: build.sh PYTHON_IMAGE [TARGET...]   PYTHON_IMAGE: Debian 12 with python3.11, pip and venv; by default all targets
set -euo pipefail
cd "$(dirname "$0")/../../.."
python=${1:?usage: build.sh PYTHON_IMAGE [TARGET...]}
shift
[ $# -gt 0 ] || set -- api worker postgres redis qdrant triton

ignored=$(mktemp)
trap 'rm -f "$ignored"' EXIT
printf '%s\n' '**' '!tests/__init__.py' '!tests/support/**' '!requirements.txt' '!deploy/locked.py' >"$ignored"
build() { # docker: only this format keeps health checks
    buildah bud --network host --isolation chroot --format docker --build-arg "PYTHON_IMAGE=$python" "$@" .
}
for target in "$@"; do
    case $target in
        api | worker | loadtest) build --file deploy/Dockerfile --target "$target" --tag "phoserve/$target:trial" ;;
        *)
            build --file tests/support/containers/Containerfile --ignorefile "$ignored" \
                --build-arg API_IMAGE=localhost/phoserve/api:trial --target "$target" --tag "trial/$target"
            ;;
    esac
done
