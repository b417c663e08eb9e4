"""Check that a Triton server on this machine serves every model of its repository, for health checks.

`python -m cli.triton_ready REPOSITORY [--host 127.0.0.1] [--port 8000] [--encoders]` exits with status 1 and the name
of the first model that is not ready. Public models are ready without their encoders, which `--encoders` checks: those
for CPUs, which are the last fallback of every profile. The module uses the standard library only.
"""

import argparse
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CPU: Final = "_cpu"
TIMEOUT_S: Final = 2.0


def checked_models(names: Iterable[str], *, encoders: bool) -> list[str]:
    """Return the names of the public models in a repository, or of their CPU encoders."""
    there = set(names)
    if encoders:
        return sorted(name for name in there if name.endswith(CPU))
    return sorted(name for name in there if not name.endswith(CPU) and name + CPU not in there)


def first_not_ready(models: Iterable[str], port: int, host: str = "127.0.0.1") -> str | None:
    """Return the first of the models that the server does not serve, None if it serves all."""
    for name in models:
        try:
            urllib.request.urlopen(f"http://{host}:{port}/v2/models/{name}/ready", timeout=TIMEOUT_S).close()
        except (urllib.error.URLError, OSError):
            return name
    return None


def main() -> int:
    """Run the command and return its exit status."""
    command = argparse.ArgumentParser(prog="python -m cli.triton_ready", description=__doc__)
    command.add_argument("repository", type=Path)
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument("--encoders", action="store_true")
    chosen = command.parse_args()
    names = [path.name for path in chosen.repository.iterdir() if path.is_dir()]
    missing = first_not_ready(checked_models(names, encoders=chosen.encoders), chosen.port, chosen.host)
    if missing is not None or not names:
        sys.stderr.write(f"{missing or 'the repository'} is not ready\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
