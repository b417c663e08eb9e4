"""Progress of a command: a spinner for people, JSON lines for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Bar(Protocol):
    """A step with a known number of units."""

    def done(self, count: int) -> None:
        """Report that `count` units are done."""
        ...


class Reporter(Protocol):
    """Reports steps and facts."""

    @contextmanager
    def step(self, text: str, *, total: int | None = None) -> Iterator[Bar]:
        """Show `text` as the current step until the block ends."""
        ...

    def tell(self, event: str, text: str, **facts: object) -> None:
        """Print a line that stays on the screen."""
        ...


class ConsoleReporter:
    """Progress for people on standard error, so that standard output has only results."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, text: str, *, total: int | None = None) -> Iterator[Bar]:
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
        if total is not None:
            columns[2:2] = [BarColumn(), MofNCompleteColumn(), _Rate()]
            columns.append(TimeRemainingColumn(compact=True))
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=total)
            yield _ConsoleBar(progress, task)
        self._console.print(f"[green]✓[/] {text} ({progress.tasks[0].elapsed or 0:.1f} s)")

    def tell(self, event: str, text: str, **facts: object) -> None:  # noqa: ARG002 - people read the text
        self._console.print(text)


class JsonReporter:
    """Progress for programs: one JSON object per line on standard output."""

    @contextmanager
    def step(self, text: str, *, total: int | None = None) -> Iterator[Bar]:
        self._print({"event": "step", "text": text, "total": total})
        yield _NoBar()

    def tell(self, event: str, text: str, **facts: object) -> None:
        self._print({"event": event, "text": text, **facts})

    def _print(self, record: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()


class _Rate(ProgressColumn):
    """Return the rate in units per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", "dim")


class _ConsoleBar:
    def __init__(self, progress: Progress, task: object) -> None:
        self._progress = progress
        self._task = task

    def done(self, count: int) -> None:
        self._progress.update(self._task, completed=count)  # type: ignore[arg-type]  # rich's TaskID is an int


class _NoBar:
    def done(self, count: int) -> None:
        pass
