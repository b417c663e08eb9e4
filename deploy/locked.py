"""Print the locked requirements of one environment, for pip: `python deploy/locked.py local > local.txt`.

It needs the standard library only.
"""

import re
import sys
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parents[1] / "requirements.txt"
# Environment -> the extras of pyproject.toml it consists of.
ENVIRONMENTS: Final = {
    "dev": ["dev"],
    "local": ["local"],
    "api": ["api", "command"],
    "ingest": ["ingest", "command"],
    "export": ["export", "command"],
    "loadtest": ["loadtest"],
    "triton": ["triton"],
}


def requirements_of(environment: str, lock: str) -> str:
    """Return the requirements in the text `lock` that `environment` needs, with their markers and hashes."""
    requirements = re.findall(r"^\w(?:.*\\\n)*.*  # .*\n", lock, flags=re.MULTILINE)
    return "".join(each for each in requirements if environment in each.rpartition("#")[2].split())


def main() -> int:
    """Print the requirements of the environment that the command line names and return the exit status."""
    if len(sys.argv) != 2 or sys.argv[1] not in ENVIRONMENTS:
        print(f"usage: locked.py {'|'.join(ENVIRONMENTS)}", file=sys.stderr)
        return 2
    print(requirements_of(sys.argv[1], LOCK.read_text()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
