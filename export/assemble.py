"""Assemble a model repository next to the server that reads it: `python -m export.assemble MODEL TARGET`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from export.repository import Profile, assemble_repository
from phoserve.errors import PhoserveError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    command = argparse.ArgumentParser(prog="python -m export.assemble", description=__doc__)
    command.add_argument("model", type=Path, help="a model folder, made by `phoserve export`")
    command.add_argument("target", type=Path, help="the repository; an existing one is replaced")
    command.add_argument("--profile", choices=get_args(Profile), default="cpu", help="Triton's --model-config-name")
    command.add_argument(
        "--reranker", type=Path, help="a cross-encoder's folder, made by `phoserve export --task rerank`"
    )
    command.add_argument(
        "--also",
        type=_folders,
        action="extend",
        default=[],
        metavar="MODEL",
        help="one more model of either task, or a JSON list of several",
    )
    command.add_argument("--precision", help="of the CPU encoders [default: the fastest one on this processor]")
    return command


def _folders(text: str) -> list[Path]:
    """Return the folder that `text` names, or those of a JSON list."""
    names = json.loads(text) if text.startswith("[") else [text]
    return [Path(name) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    chosen = parser().parse_args(arguments)
    try:
        assemble_repository(
            chosen.model,
            chosen.target,
            profile=chosen.profile,
            reranker=chosen.reranker,
            also=chosen.also,
            cpu_precision=chosen.precision,
        )
    except PhoserveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{chosen.target} serves {chosen.model} with --model-config-name={chosen.profile}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
