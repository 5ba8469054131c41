"""How does Steep speak to its user? On standard error; results go to standard output."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)

Item = TypeVar("Item")


def say(message: str) -> None:
    """A line about what is happening."""
    err.print(message, markup=False)


def progress(unit: str = "") -> Progress:
    """A progress bar with counts, a `rate` field, and the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn(unit + "{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, disable=not err.is_terminal)


def track(items: Iterable[Item], total: int, description: str) -> Iterator[Item]:
    """The items, under a progress bar."""
    with progress() as bar:
        task = bar.add_task(description, total=total, rate="")
        for item in items:
            yield item
            bar.advance(task)
