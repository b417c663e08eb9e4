"""Memory of a process and its descendants, from Linux's accounting."""

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Return the memory of `pid` and its descendants (proportional set size, so that shared pages count once)."""
    return sum(proportional_bytes(each) for each in family(pid))


def family(pid: int) -> list[int]:
    """Return `pid` and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # the process has ended
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def proportional_bytes(pid: int, kind: str = "Pss") -> int:
    """Return the memory of `pid`, 0 after its end. `Pss_Anon` excludes pages of files, which the kernel can reclaim.

    Raises PermissionError for processes of the platform unless root asks: they keep their memory to themselves.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:")), 0)
