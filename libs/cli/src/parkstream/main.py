"""The `parkstream` command: one module per subcommand, imported only when it is called, so that --help is quick.

A command's module holds `app = typer.Typer(add_completion=False)` with one `@app.command()`, or with several, which
then become `parkstream <name> <subcommand>`. To add a command, write the module and name it in `COMMANDS`.
"""

import importlib
import sys
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from parkstream.errors import OperatorError


@dataclass(frozen=True)
class Entry:
    """Where a command lives, and its line in the overview."""

    module: str
    summary: str


COMMANDS = {
    "up": Entry("parkstream.up", "Run the whole platform on this machine, until Ctrl-C."),
    "migrate": Entry("parkstream.migrate_command", "Bring database, streams and consumers to this version."),
    "simulate": Entry("parkstream.simulate", "Publish a fictional city's uplinks, as ChirpStack would."),
    "replay": Entry("parkstream.replay", "Turn recorded stays into uplinks, and verify what came of them."),
    "watch": Entry("parkstream.watch", "Every space and the latest changes, live."),
    "dead-letters": Entry("parkstream.dead_letters", "List, show and replay what could not be processed."),
    "redecode": Entry("parkstream.redecode", "Decode stored readings again, with a corrected codec."),
    "import": Entry("parkstream.import_command", "Create or update sites, spaces and devices from a CSV file."),
    "export": Entry("parkstream.export_command", "Write all sites, spaces or devices as CSV."),
    "backup": Entry("parkstream.backup_command", "Save everything acknowledged into a folder; check such a folder."),
    "restore": Entry("parkstream.restore_command", "Put a backup back, into an empty database and NATS."),
    "permissions": Entry("parkstream.permissions_command", "Who may do what at NATS and at the MQTT broker."),
    "doctor": Entry("parkstream.doctor", "Check every dependency, and say what is wrong and what to do."),
}


class LazyCommands(TyperGroup):
    """A group whose commands are imported when called; the overview needs no more than `COMMANDS`."""

    _overview = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself or, while the overview is printed, its name and summary."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._overview:
            return TyperCommand(cmd_name, help=entry.summary)
        command = get_command(importlib.import_module(entry.module).app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview."""
        self._overview = True
        super().format_help(ctx, formatter)


cli = typer.Typer(
    name="parkstream",
    cls=LazyCommands,
    help="LoRaWAN parking sensors turned into a live, bookable, signposted car park.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@cli.callback()
def parkstream() -> None:
    """LoRaWAN parking sensors turned into a live, bookable, signposted car park."""


def app() -> None:
    """The entry point: an `OperatorError` becomes its message and status 1, without a traceback."""
    try:
        cli()
    except OperatorError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(error.problem, style="bold red", markup=False)
        if error.remedy:
            console.print(error.remedy, markup=False)
        sys.exit(1)


if __name__ == "__main__":
    app()
