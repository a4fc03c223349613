"""What the simulating commands show while they work: one look for all progress bars and rates."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from parking_simulator.commands import CommandClient
from parking_simulator.delivery import Tally
from parking_simulator.fleet import Fleet, Provisioned, provision


@contextmanager
def counting_bar(console: Console, what: str, total: int) -> Iterator[Progress]:
    """A bar over `total` things; advance its only task, 0."""
    with _bar(console, MofNCompleteColumn()) as progress:
        progress.add_task(what, total=total)
        yield progress


@contextmanager
def publishing_bar(console: Console, what: str, total: float | None) -> Iterator[Progress]:
    """A bar over a span of time, with a free text `said` beside it."""
    with _bar(console, TextColumn("{task.fields[said]}")) as progress:
        progress.add_task(what, total=total, said="")
        yield progress


def _bar(console: Console, last: ProgressColumn) -> Progress:
    """Nothing is drawn where no terminal is, and nothing is left when it ends."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), last, TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


async def provision_with_bar(console: Console, client: CommandClient, fleet: Fleet) -> Provisioned:
    """Make the fleet known, and say what was made."""
    with counting_bar(console, "making spaces", len(fleet.spaces)) as progress:
        outcome = await provision(client, fleet, lambda: progress.advance(progress.task_ids[0]))
    found = f", {outcome.found} were there" if outcome.found else ""
    console.print(f"fleet: {outcome.created} spaces with their sensors made{found}", markup=False)
    return outcome


def rate(count: int, seconds: float) -> str:
    """`1,234/s`."""
    return f"{count / max(seconds, 1e-9):,.0f}/s"


def told(tally: Tally) -> str:
    """What was published, in words."""
    return (
        f"{tally.uplinks:,} uplinks, {tally.duplicates:,} of them again as duplicates, {tally.late:,} late, "
        f"and {tally.others:,} other events"
    )
