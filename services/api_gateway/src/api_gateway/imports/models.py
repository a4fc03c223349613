"""What an import answers."""

from __future__ import annotations

from pydantic import BaseModel, Field

from parking_contracts.errors import ErrorCode
from parking_contracts.import_commands import ImportKind, RowOutcome


class Fate(BaseModel):
    """What became of one row."""

    line: int = Field(description="the line of the file on which the row begins; the header is line 1", examples=[17])
    outcome: RowOutcome = Field(examples=["refused"])
    id: str | None = Field(description="the site's or space's id, the device's DevEUI; null when refused")
    code: ErrorCode | None = Field(description="for programs: why it was refused", examples=["DUPLICATE_RESOURCE"])
    message: str = Field(
        description="for people: why it was refused", examples=["sensor_eui: another live space uses this sensor"]
    )
    field: str | None = Field(description="the column at fault", examples=["sensor_eui"])


class Counts(BaseModel):
    """How many rows had which fate."""

    created: int = Field(examples=[40])
    updated: int = Field(examples=[2])
    unchanged: int = Field(examples=[1300])
    refused: int = Field(examples=[1])
    not_tried: int = Field(description="rows after the one that stopped the import", examples=[0])


class ImportReport(BaseModel):
    """The fate of every row, in the file's order."""

    kind: ImportKind
    dry_run: bool
    applied: bool = Field(description="whether anything was kept: not in a dry run, nor where a refused row stopped it")
    counts: Counts
    rows: list[Fate]
