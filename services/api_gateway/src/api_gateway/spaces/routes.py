"""Routes for spaces: reads from the directory, changes as commands to their owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, Path, Query, Response
from fastapi.exceptions import RequestValidationError

from api_gateway.http.commands import Commands
from api_gateway.http.etags import IfMatch, show_revision
from api_gateway.http.fields import FilterText, IncludeDeleted, SearchText
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import SpacesReader, SpacesWriter
from api_gateway.identity.database import Database
from api_gateway.spaces import queries
from api_gateway.spaces.models import (
    NewSpace,
    OverrideLayer,
    ReservationLayer,
    SensorLayer,
    Space,
    SpaceChanges,
    SpaceDescription,
    SpaceDetail,
    SpacePage,
    State,
    StateRequest,
)
from api_gateway.spaces.nearby import Box, bounding_box, parse_near
from parking_contracts.errors import ErrorCode
from parking_contracts.space import SpaceKind
from parking_contracts.space_commands import CreateSpace, DeleteSpace, SetSpaceState, UpdateSpace

PATH = "/api/v6/spaces"
router = NounRouter(prefix=PATH, tags=["spaces"])

SpaceId = Annotated[UUID, Path(description="the space's id")]
ORDER = sort_by(queries.SORT_COLUMNS, default="site_id,code", tie="id")


async def _place(
    near: Annotated[
        str | None,
        Query(
            max_length=50,
            description="latitude,longitude in degrees: answers nearest first",
            examples=["-37.8136,144.9631"],
        ),
    ] = None,
    radius_m: Annotated[
        float, Query(gt=0, le=100_000, allow_inf_nan=False, description="with near: how far away, in metres")
    ] = 1000.0,
) -> tuple[float, float, float, Box] | None:
    if near is None:
        return None
    try:
        latitude, longitude = parse_near(near)
    except ValueError as error:
        raise RequestValidationError([{"loc": ("query", "near"), "msg": str(error), "type": "near"}]) from error
    return latitude, longitude, radius_m, bounding_box(latitude, longitude, radius_m)


async def _filters(
    site: Annotated[UUID | None, Query(description="only this site")] = None,
    building: Annotated[FilterText | None, Query(description="only this building")] = None,
    floor: Annotated[FilterText | None, Query(description="only this floor")] = None,
    zone: Annotated[FilterText | None, Query(description="only this zone")] = None,
    kind: Annotated[SpaceKind | None, Query(description="only this kind")] = None,
    state: Annotated[State | None, Query(description="only this state, in any case")] = None,
    include_deleted: IncludeDeleted = False,
    q: SearchText = None,
) -> tuple[object, ...]:
    return site, building, floor, zone, kind, state, include_deleted, q


@router.get("", response_model=SpacePage, responses=READ)
async def list_spaces(
    caller: SpacesReader,
    database: Database,
    filters: Annotated[tuple[object, ...], Depends(_filters)],
    place: Annotated[tuple[float, float, float, Box] | None, Depends(_place)],
    order: Annotated[str, Depends(ORDER)],
    page: Paging,
) -> Response:
    """The tenant's spaces: by site and code, or as `sort` says; with `near` those within `radius_m`, nearest first.

    Nearest first is an order of its own: `sort` has no effect beside `near`.
    """
    if place is None:
        total, rows = await queries.list_spaces(database, caller.tenant_id, filters, order, page)
    else:
        total, rows = await queries.list_spaces_near(database, caller.tenant_id, filters, place=place, page=page)
    return page.answer(total, rows)


@router.get("/{space_id}", responses=READ_ONE)
async def get_space(caller: SpacesReader, database: Database, space_id: SpaceId, response: Response) -> SpaceDetail:
    """One space: which layer decided its state, why, since when, and what every layer says."""
    row = await queries.get_space(database, caller.tenant_id, space_id)
    if row is None:
        raise not_found("space", space_id)
    show_revision(response, row["updated_at"])
    return SpaceDetail(**row, layers=_layers(row))


def _layers(row: asyncpg.Record) -> tuple[OverrideLayer, SensorLayer, ReservationLayer]:
    return (
        OverrideLayer(
            state=row["override_state"],
            reason=row["override_reason"],
            since=row["override_since"],
            until=row["override_until"],
        ),
        SensorLayer(
            heard=row["sensor_heard"],
            occupied=row["sensor_occupied"],
            since=row["sensor_since"],
            silent=row["sensor_silent"],
        ),
        ReservationLayer(id=row["reservation_id"], since=row["reservation_since"], until=row["reservation_until"]),
    )


@router.post("", status_code=201, responses=WRITE)
async def create_space(caller: SpacesWriter, commands: Commands, body: NewSpace, response: Response) -> Space:
    """Create a space; `Location` names it."""
    command = CreateSpace(**body.model_dump(exclude={"request_id"}))
    result = await commands.send(caller, command, body_request_id=body.request_id)
    space = _answered(result, response)
    response.headers["Location"] = f"{PATH}/{space.id}"
    return space


@router.put("/{space_id}", responses=WRITE)
async def replace_space(
    caller: SpacesWriter,
    commands: Commands,
    space_id: SpaceId,
    body: SpaceDescription,
    if_match: IfMatch,
    response: Response,
) -> Space:
    """Replace the whole description; what the body leaves out takes its default. The state stays."""
    values = body.model_dump(exclude={"request_id"})
    command = UpdateSpace(id=space_id, revision=if_match.moment, **values)
    return _answered(await commands.send(caller, command, body_request_id=body.request_id), response)


@router.patch("/{space_id}", responses=WRITE)
async def update_space(
    caller: SpacesWriter,
    commands: Commands,
    space_id: SpaceId,
    body: SpaceChanges,
    if_match: IfMatch,
    response: Response,
) -> Space:
    """Change some fields; null clears what may be empty."""
    values = body.model_dump(exclude={"request_id"}, exclude_unset=True)
    command = UpdateSpace(id=space_id, revision=if_match.moment, **values)
    return _answered(await commands.send(caller, command, body_request_id=body.request_id), response)


@router.delete("/{space_id}", status_code=204, responses=WRITE)
async def delete_space(caller: SpacesWriter, commands: Commands, space_id: SpaceId, if_match: IfMatch) -> None:
    """Delete a space: frees its code, sensor and display; its future reservations are cancelled. Its history stays."""
    await commands.send(caller, DeleteSpace(id=space_id, revision=if_match.moment))


@router.put("/{space_id}/state", responses=WRITE)
async def set_space_state(
    caller: SpacesWriter, commands: Commands, space_id: SpaceId, body: StateRequest, response: Response
) -> Space:
    """Set a state over all other inputs, or lift it with `free`; answers the resulting state and layer.

    `free` never hides what a sensor or a reservation says. A transition that the table does not allow is refused as
    INVALID_STATE_TRANSITION with `current` and `requested`.
    """
    if body.force and not caller.is_admin:
        raise ProblemError(ErrorCode.AUTHORIZATION_ERROR, "only an admin may force a state")
    command = SetSpaceState(id=space_id, **body.model_dump(exclude={"request_id"}))
    return _answered(await commands.send(caller, command, body_request_id=body.request_id), response)


def _answered(result: bytes, response: Response) -> Space:
    """The space as its owner answered it, with its ETag."""
    space = Space.model_validate_json(result)
    show_revision(response, space.updated_at)
    return space
