"""What every benchmark's command does around its measurement: where the figures go, and how it ends.

In: a measurement, which makes a report. Out: its tables on the terminal and, where asked, its JSON in a file. A file
that cannot be written is refused before anything is measured.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
import uvloop
from rich.console import Console

from parkstream.errors import OperatorError

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write every run's figures here as well.")]
console = Console(highlight=False)


class Report(Protocol):
    """What a measurement makes."""

    def print(self, console: Console) -> None:
        """Its tables."""

    def to_json(self) -> bytes:
        """The question, the machine, every run and the medians."""


def make_app() -> typer.Typer:
    """A benchmark's own command line."""
    return typer.Typer(rich_markup_mode="markdown", add_completion=False)


def run(measure: Callable[[Console], Coroutine[Any, Any, Report]], json_file: Path | None) -> None:
    """Measure, show and write; ends the process with a status when it cannot."""
    if json_file is not None and not json_file.parent.is_dir():
        console.print(f"--json: {json_file.parent} is no directory.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    try:
        report = uvloop.run(measure(console))
    except OperatorError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    report.print(console)
    if json_file is not None:
        json_file.write_bytes(report.to_json())
        console.print(f"written to {json_file}", markup=False, soft_wrap=True)
