"""A progress bar over a burst, as the function that a measurement calls with how much is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from parkstream.showing import counting_bar


@contextmanager
def burst_bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Call it with how much is done."""
    with counting_bar(console, what, total) as progress:
        task = progress.task_ids[0]
        yield lambda done: progress.update(task, completed=done)
