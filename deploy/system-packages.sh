#!/usr/bin/env bash
# Install system packages as root on Debian or Ubuntu; otherwise print the missing ones.
# usage: system-packages.sh PACKAGE...   |   system-packages.sh --python INTERPRETER
set -euo pipefail

has() {
    case $1 in
        libpython*) "$python" -c 'import ctypes, sys, sysconfig, os
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
os.path.exists(os.path.join(sysconfig.get_config_var("LIBDIR") or "", name)) or ctypes.CDLL(name)' 2>/dev/null ;;
        *-venv) "$python" -c 'import ensurepip, venv' 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

if [ "${1:-}" = --python ]; then
    python=$2
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.11 | 3.12) ;;
        *)
            echo "phoserve needs Python 3.11 or 3.12; $python is $version. Choose another: make PYTHON=/path/to/python3.11" >&2
            exit 1
            ;;
    esac
    set -- "python$version-venv" "libpython$version"
fi

missing=()
for package in "$@"; do has "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "Install these packages first: ${missing[*]}   (Debian, Ubuntu: sudo apt-get install ${missing[*]})" >&2
    exit 1
fi
