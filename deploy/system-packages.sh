#!/usr/bin/env bash
# Install missing system packages on Debian or Ubuntu, as root or with sudo; elsewhere print which ones are missing.
# usage: system-packages.sh PACKAGE...   |   system-packages.sh --python INTERPRETER
set -euo pipefail

has() {
    case $1 in
        # Triton's Python backend links it; Debian's python3.11 comes without.
        libpython*) "$python" -c 'import ctypes, sys, sysconfig, os
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
os.path.exists(os.path.join(sysconfig.get_config_var("LIBDIR") or "", name)) or ctypes.CDLL(name)' 2>/dev/null ;;
        *-venv) "$python" -c 'import ensurepip, venv' 2>/dev/null ;;
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ;; # off the PATH in Debian
        tesseract-ocr) command -v tesseract >/dev/null ;;
        tesseract-ocr-*) tesseract --list-langs 2>/dev/null | grep -qx "${1##*-}" ;;
        fonts-*) dpkg -s "$1" >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

if [ "${1:-}" = --python ]; then
    python=$2
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.11 | 3.12) ;;
        *)
            echo "phoserve needs Python 3.11 or 3.12; $python is $version. Choose one: make PYTHON=/path/to/python3.11" >&2
            exit 1
            ;;
    esac
    set -- "python$version-venv" "libpython$version"
fi

missing=()
for package in "$@"; do has "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    # sudo asks for a password where there is a terminal to ask on.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then root=(sudo); else root=(none); fi
fi
if command -v apt-get >/dev/null && [ "${root[*]}" != none ]; then
    echo "Installing ${missing[*]} (${root[*]:+sudo }apt-get install)"
    "${root[@]}" apt-get update -qq >/dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "Please install first: ${missing[*]}   (Debian, Ubuntu: sudo apt-get install ${missing[*]})" >&2
    exit 1
fi
