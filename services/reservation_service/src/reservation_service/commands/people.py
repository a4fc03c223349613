"""person.export, person.erase: what is kept about somebody, and that it is kept no longer."""

from __future__ import annotations

from datetime import UTC, datetime

from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid
from parking_contracts.command import Command
from parking_contracts.errors import Refusal
from parking_contracts.reservation_commands import Erased, ErasePerson, ExportPerson, PersonalData
from reservation_service.store import people


async def export(connection: Connection, command: Command[ExportPerson]) -> PersonalData | Refusal:
    """Everything that is kept under this e-mail or this phone."""
    email, phone = command.body.email, command.body.phone
    if email is None and phone is None:
        return _nobody()
    return PersonalData(reservations=await people.reservations_of(connection, command.tenant_id, email, phone))


async def erase(connection: Connection, command: Command[ErasePerson]) -> Erased | Refusal:
    """Take the person out of reservations and kept answers. A reservation that is active stays active."""
    email, phone = command.body.email, command.body.phone
    if email is None and phone is None:
        return _nobody()
    erased = await people.erase(connection, command.tenant_id, email, phone, datetime.now(UTC))
    await people.forget_answers(connection, command.tenant_id, erased, email, phone)
    return Erased(reservations=len(erased))


def _nobody() -> Refusal:
    return invalid("email", "name the person by e-mail, by phone, or by both")
