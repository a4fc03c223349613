"""import.apply: the rows of a file, each created, updated, left as it is, or refused, in one transaction.

Every row runs in a savepoint of its own, through the very commands that a client would send: a row is allowed what a
request is, and no more. A dry run does all of it and undoes it at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import asyncpg

from occupancy_engine.commands.devices import DeviceCommands
from occupancy_engine.commands.importing.asking import Asker, Change, Done, Rows, Values
from occupancy_engine.commands.importing.devices import DeviceRows
from occupancy_engine.commands.importing.sites import SiteRows
from occupancy_engine.commands.importing.spaces import SpaceRows
from occupancy_engine.domain.cells import CellError, read_cells
from occupancy_engine.store import imports
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid
from parking_contracts.command import Command
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.import_commands import COLUMNS, ApplyImport, Imported, ImportKind, ImportRow, RowFate


class ImportCommands:
    """The command that takes many rows."""

    def __init__(self, devices: DeviceCommands) -> None:
        self._kinds: Mapping[ImportKind, Callable[[Asker], Rows]] = {
            "sites": SiteRows,
            "spaces": SpaceRows,
            "devices": lambda asker: DeviceRows(asker, devices),
        }

    async def apply(self, connection: Connection, command: Command[ApplyImport]) -> Imported | Refusal:
        """Take the rows in order; what each became, and whether anything of it was kept."""
        body = command.body
        if unknown := {name for row in body.rows for name in row.cells} - set(COLUMNS[body.kind]):
            return invalid("rows", f"unknown columns {sorted(unknown)}; known: {', '.join(COLUMNS[body.kind])}")
        kind = self._kinds[body.kind](Asker(connection, command))
        await imports.lock_imports(connection, command.tenant_id)
        all_of_it = connection.transaction()
        await all_of_it.start()
        read = [_read(row) for row in body.rows]
        await kind.load([values for values in read if not isinstance(values, Refusal)])
        fates: list[RowFate] = []
        stopped = False
        for row, values in zip(body.rows, read, strict=True):
            done = values if isinstance(values, Refusal) else await _take(connection, kind, values)
            fates.append(_fate(row, done))
            stopped = isinstance(done, Refusal) and body.on_error == "stop"
            if stopped:
                break
        applied = not (stopped or body.dry_run)
        await (all_of_it.commit() if applied else all_of_it.rollback())
        return Imported(applied=applied, rows=tuple(fates))


async def _take(connection: Connection, kind: Rows, values: Values) -> Done | Refusal:
    decision = kind.decide(values)
    return decision if isinstance(decision, Done | Refusal) else await _carry_out(connection, decision)


async def _carry_out(connection: Connection, change: Change) -> Done | Refusal:
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        done = await change()
    except asyncpg.DataError as error:
        done = Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error))
    await (savepoint.rollback() if isinstance(done, Refusal) else savepoint.commit())
    return done


def _read(row: ImportRow) -> Values | Refusal:
    try:
        return read_cells(row.cells)
    except CellError as error:
        return Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error), details={"field": error.field})


def _fate(row: ImportRow, done: Done | Refusal) -> RowFate:
    if isinstance(done, Done):
        return RowFate(line=row.line, outcome=done.outcome, id=done.id)
    field = done.details.get("field")
    return RowFate(line=row.line, outcome="refused", code=done.code, message=done.message, field=field)
