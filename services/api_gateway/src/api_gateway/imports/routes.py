"""Routes for imports: a CSV file in, one command to the owner of the nouns, the fate of every row out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request

from api_gateway.http.commands import Commands, CommandSender
from api_gateway.http.openapi import WRITE
from api_gateway.http.problems import ProblemError
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, DevicesWriter, SitesWriter, SpacesWriter
from api_gateway.imports.csv_tables import TableError, read_table
from api_gateway.imports.models import Counts, Fate, ImportReport
from parking_contracts.errors import ErrorCode
from parking_contracts.import_commands import ApplyImport, Imported, ImportKind, OnError
from parking_contracts.streams import MAX_PAYLOAD_BYTES

# A whole file takes longer than one noun, and less than a request may.
ANSWER_SECONDS = 25.0
ENVELOPE_BYTES = 64 << 10
router = NounRouter(prefix="/api/v6/imports", tags=["imports"])

DryRun = Annotated[bool, Query(description="tell every row's fate, and keep nothing")]
WhenRefused = Annotated[
    OnError, Query(description="`skip` leaves a refused row out; `stop` ends at the first one and undoes all before it")
]


def csv_body(example: str) -> dict[str, Any]:
    """The request body, for OpenAPI."""
    return {
        "requestBody": {
            "required": True,
            "description": "UTF-8, commas or semicolons, a header with the field names; at most 5,000 rows",
            "content": {"text/csv": {"schema": {"type": "string"}, "example": example}},
        }
    }


@router.post(
    "/sites",
    responses=WRITE,
    openapi_extra=csv_body("name,time_zone,latitude,longitude\nMarket Square,Australia/Melbourne,-37.8136,144.9631\n"),
)
async def import_sites(
    caller: SitesWriter, request: Request, commands: Commands, dry_run: DryRun = False, on_error: WhenRefused = "stop"
) -> ImportReport:
    """Create or update sites, found by name. Columns: name, time_zone, latitude, longitude, id.

    A missing column changes nothing; an empty cell takes the field's default. `id` tells sites of one name apart.
    """
    return await _import(request, caller, commands, "sites", dry_run=dry_run, on_error=on_error)


@router.post(
    "/spaces",
    responses=WRITE,
    openapi_extra=csv_body("site,code,name,kind,zone,sensor_eui\nMarket Square,A-17,Bay A-17,ev,P2,70b3d57ed0061a2b\n"),
)
async def import_spaces(
    caller: SpacesWriter, request: Request, commands: Commands, dry_run: DryRun = False, on_error: WhenRefused = "stop"
) -> ImportReport:
    """Create or update spaces, found by site (`site`: its name or id, or `site_id`) and code.

    Columns: site, site_id, code, name, kind, building, floor, zone, latitude, longitude, sensor_eui, display_eui,
    metadata (a JSON object). A missing column changes nothing; an empty cell takes the field's default.
    """
    return await _import(request, caller, commands, "spaces", dry_run=dry_run, on_error=on_error)


@router.post(
    "/devices",
    responses=WRITE,
    openapi_extra=csv_body("dev_eui,name,codec,heartbeat_seconds\n70b3d57ed0061a2b,bay-17,bosch_tps110,3600\n"),
)
async def import_devices(
    caller: DevicesWriter, request: Request, commands: Commands, dry_run: DryRun = False, on_error: WhenRefused = "stop"
) -> ImportReport:
    """Register devices or change their settings, found by DevEUI.

    Columns: dev_eui, name, codec, heartbeat_seconds, confirm_seconds. A missing column changes nothing; an empty cell
    takes the field's default.
    """
    return await _import(request, caller, commands, "devices", dry_run=dry_run, on_error=on_error)


async def _import(
    request: Request, caller: Caller, commands: CommandSender, kind: ImportKind, *, dry_run: bool, on_error: OnError
) -> ImportReport:
    _require_csv(request.headers.get("content-type", ""))
    try:
        # In a thread: the live events of others must not wait for a large file.
        rows = await asyncio.to_thread(read_table, await request.body(), kind)
    except TableError as error:
        raise ProblemError(ErrorCode.VALIDATION_ERROR, str(error), details={"line": error.line}) from error
    command = ApplyImport(kind=kind, rows=rows, dry_run=dry_run, on_error=on_error)
    if len(msgspec.json.encode(command)) > MAX_PAYLOAD_BYTES - ENVELOPE_BYTES:
        raise ProblemError(
            ErrorCode.PAYLOAD_TOO_LARGE, "the rows are too large to travel at once; split the file into smaller ones"
        )
    answer = await commands.send(caller, command, seconds=ANSWER_SECONDS)
    done = msgspec.json.decode(answer, type=Imported)
    return ImportReport(
        kind=kind,
        dry_run=dry_run,
        applied=done.applied,
        counts=_counts(done, len(rows)),
        rows=[Fate(**msgspec.structs.asdict(fate)) for fate in done.rows],
    )


def _require_csv(content_type: str) -> None:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip().strip('"') or "utf-8"
    if media_type.strip() != "text/csv" or charset not in {"utf-8", "utf8"}:
        raise ProblemError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the file in UTF-8, with the header Content-Type: text/csv"
        )


def _counts(done: Imported, rows: int) -> Counts:
    by_outcome = Counter(fate.outcome for fate in done.rows)
    return Counts(
        created=by_outcome["created"],
        updated=by_outcome["updated"],
        unchanged=by_outcome["unchanged"],
        refused=by_outcome["refused"],
        not_tried=rows - len(done.rows),
    )
