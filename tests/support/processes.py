"""The processes of this machine, as tests look for the one they mean."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Every process and the words it was started with; one that ends meanwhile is left out."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        yield int(process.name), command.decode(errors="replace").split("\0")


def own_children() -> set[int]:
    """The processes this one started and has not taken leave of; other tests' servers may be among them."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread may end meanwhile as well
            found.update(map(int, (thread / "children").read_text().split()))
    return found
