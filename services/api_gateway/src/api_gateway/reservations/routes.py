"""Routes for reservations: reads from the directory, everything else as commands to their owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Response
from fastapi.exceptions import RequestValidationError

from api_gateway.http.commands import Commands
from api_gateway.http.etags import IfMatch, show_revision
from api_gateway.http.fields import Instant
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, ReservationsReader, ReservationsWriter
from api_gateway.identity.database import Database
from api_gateway.reservations import queries
from api_gateway.reservations.models import (
    Cancellation,
    ClockRun,
    Email,
    NewReservation,
    Reservation,
    ReservationChanges,
    ReservationPage,
    Status,
)
from parking_contracts.reservation_commands import (
    BookAnySpace,
    CancelReservation,
    CheckIn,
    CreateReservation,
    RunClock,
    UpdateReservation,
)

PATH = "/api/v6/reservations"
router = NounRouter(prefix=PATH, tags=["reservations"])

ReservationId = Annotated[UUID, Path(description="the reservation's id")]


async def _filters(
    space: Annotated[UUID | None, Query(description="only of this space")] = None,
    email: Annotated[Email | None, Query(description="only of this person; any case")] = None,
    status: Annotated[Status | None, Query(description="only in this status")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="only what ends after this moment")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="only what starts before this moment")] = None,
) -> tuple[object, ...]:
    if since is not None and until is not None and since >= until:
        raise RequestValidationError([{"loc": ("query", "to"), "msg": "must come after from", "type": "to"}])
    return space, email, status, since, until


@router.get("", responses=READ)
async def list_reservations(
    caller: ReservationsReader,
    database: Database,
    filters: Annotated[tuple[object, ...], Depends(_filters)],
    page: Paging,
) -> ReservationPage:
    """The tenant's reservations, newest first; `from` and `to` choose those that overlap this time."""
    total, rows = await queries.list_reservations(database, caller.tenant_id, filters, page)
    return ReservationPage(**page.of(total), items=[Reservation(**row) for row in rows])


@router.get("/{reservation_id}", responses=READ_ONE)
async def get_reservation(
    caller: ReservationsReader, database: Database, reservation_id: ReservationId, response: Response
) -> Reservation:
    """One reservation, and how far it has come."""
    row = await queries.get_reservation(database, caller.tenant_id, reservation_id)
    if row is None:
        raise not_found("reservation", reservation_id)
    show_revision(response, row["version"])
    return Reservation(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_reservation(
    caller: ReservationsWriter, commands: Commands, body: NewReservation, response: Response
) -> Reservation:
    """Book a space, or any free one of a site; `Location` names the reservation.

    A space that is taken then is refused as SPACE_NOT_AVAILABLE, with the times in which it is in `conflicts`. Within
    its lead time the space is held at once. After a 504 the same request with the same Idempotency-Key books once.
    """
    command: CreateReservation | BookAnySpace
    if body.space_id is not None:
        command = CreateReservation(**body.model_dump(exclude={"request_id", "site_id", "zone", "kind"}))
    else:
        command = BookAnySpace(**body.model_dump(exclude={"request_id", "space_id"}))
    made = _shown(caller, await commands.send(caller, command, body_request_id=body.request_id), response)
    response.headers["Location"] = f"{PATH}/{made.id}"
    return made


@router.patch("/{reservation_id}", responses=WRITE)
async def update_reservation(
    caller: ReservationsWriter,
    commands: Commands,
    reservation_id: ReservationId,
    body: ReservationChanges,
    if_match: IfMatch,
    response: Response,
) -> Reservation:
    """Change some fields of an active reservation.

    Other times are under the same constraint as a booking. Once the space is held (`opened_at`), the start is fixed
    (RESERVATION_OPEN); the end may still move.
    """
    values = body.model_dump(exclude={"request_id"}, exclude_unset=True)
    command = UpdateReservation(id=reservation_id, if_version=if_match.version, **values)
    return _shown(caller, await commands.send(caller, command, body_request_id=body.request_id), response)


@router.put("/{reservation_id}/cancel", responses=WRITE)
async def cancel_reservation(
    caller: ReservationsWriter,
    commands: Commands,
    reservation_id: ReservationId,
    if_match: IfMatch,
    response: Response,
    body: Cancellation | None = None,
) -> Reservation:
    """Let an active reservation go; one that has ended is refused as RESERVATION_NOT_ACTIVE with its `status`."""
    said = body or Cancellation()
    command = CancelReservation(id=reservation_id, if_version=if_match.version, reason=said.reason)
    return _shown(caller, await commands.send(caller, command, body_request_id=said.request_id), response)


@router.post("/{reservation_id}/check-in", responses=WRITE)
async def check_in(
    caller: ReservationsWriter, commands: Commands, reservation_id: ReservationId, response: Response
) -> Reservation:
    """Say that whoever booked has come; before the space is held for him it is refused as RESERVATION_NOT_OPEN.

    A vehicle's arrival does the same by itself.
    """
    return _shown(caller, await commands.send(caller, CheckIn(id=reservation_id)), response)


@router.post("/expire-old", responses=WRITE)
async def expire_old_reservations(caller: ReservationsWriter, commands: Commands) -> ClockRun:
    """Do now what the clock does by itself: open and end windows, let go of who did not come, prune personal data."""
    return ClockRun.model_validate_json(await commands.send(caller, RunClock()))


def _shown(caller: Caller, result: bytes, response: Response) -> Reservation:
    """The owner's answer, without the person where the caller may not read about people."""
    reservation = Reservation.model_validate_json(result)
    show_revision(response, reservation.version)
    return reservation if caller.may("reservations:read") else reservation.without_person()
