"""Whether a space can be booked for a time: the same question at two addresses, answered by the reservations' owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path

from api_gateway.http.commands import Commands
from api_gateway.http.openapi import WRITE
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, ReservationsReader, SpacesReader
from api_gateway.reservations.models import Availability, WantedTime
from parking_contracts.reservation_commands import CheckAvailability

router = NounRouter(prefix="/api/v6")

SpaceId = Annotated[UUID, Path(description="the space's id")]


@router.post("/reservations/{space_id}/check-availability", tags=["reservations"], responses=WRITE)
async def check_availability(
    caller: ReservationsReader, commands: Commands, space_id: SpaceId, body: WantedTime
) -> Availability:
    """Whether this space can be booked for a time; changes nothing and holds nothing."""
    return await _ask(caller, commands, space_id, body)


@router.post("/spaces/{space_id}/availability", tags=["spaces"], responses=WRITE)
async def space_availability(
    caller: SpacesReader, commands: Commands, space_id: SpaceId, body: WantedTime
) -> Availability:
    """Whether this space can be booked for a time, and what is shown for it now."""
    return await _ask(caller, commands, space_id, body)


async def _ask(caller: Caller, commands: Commands, space_id: UUID, body: WantedTime) -> Availability:
    command = CheckAvailability(space_id=space_id, starts_at=body.starts_at, ends_at=body.ends_at)
    return Availability.model_validate_json(await commands.send(caller, command))
