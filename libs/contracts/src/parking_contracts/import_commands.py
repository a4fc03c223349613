"""The command that takes many rows of a table at once, answered by occupancy_engine.

The cells travel as text, as they stood in the file: what they mean is the owner's to say, and each row's fate with it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from parking_contracts import subjects
from parking_contracts.command import CommandBody
from parking_contracts.errors import ErrorCode

OWNER = "occupancy"
ROWS_AT_MOST = 5_000

ImportKind = Literal["sites", "spaces", "devices"]
OnError = Literal["stop", "skip"]
RowOutcome = Literal["created", "updated", "unchanged", "refused"]

COLUMNS: dict[ImportKind, tuple[str, ...]] = {
    "sites": ("id", "name", "time_zone", "latitude", "longitude"),
    "spaces": (
        *("site", "site_id", "code", "name", "kind", "building", "floor", "zone", "latitude", "longitude"),
        *("sensor_eui", "display_eui", "metadata"),
    ),
    "devices": ("dev_eui", "name", "codec", "heartbeat_seconds", "confirm_seconds"),
}
"""What a row may say. A column that is missing changes nothing; an empty cell takes the field's default."""


class ImportRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: the line of the file on which it began (the header is 1), and its cells by column."""

    line: int
    cells: dict[str, str]


class ApplyImport(CommandBody, frozen=True, kw_only=True):
    """Create or update what the rows describe, in one transaction. Answers an Imported.

    A site is found by its name (or by `id`, where several have it), a space by its site and code, a device by its
    DevEUI. A row that is refused is left out (`skip`), or undoes all (`stop`). A dry run does everything and then
    undoes it, so the fates are those of a real run.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "import.apply")
    kind: ImportKind
    rows: Annotated[tuple[ImportRow, ...], Meta(max_length=ROWS_AT_MOST)]
    dry_run: bool = False
    on_error: OnError = "stop"


class RowFate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row: the thing's id (a device's DevEUI), or why it was refused and which field is at fault."""

    line: int
    outcome: RowOutcome
    id: str | None = None
    code: ErrorCode | None = None
    message: str = ""
    field: str | None = None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The rows' fates, in order, as far as they were tried; `applied` is false when nothing of it was kept."""

    applied: bool
    rows: tuple[RowFate, ...]
