"""Routes for people's rights: what is kept about somebody, and that it is kept no longer."""

from __future__ import annotations

from api_gateway.http.commands import Commands
from api_gateway.http.openapi import WRITE
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import PrivacyWriter
from api_gateway.privacy.models import Erased, Person, PersonalData
from parking_contracts.reservation_commands import ErasePerson, ExportPerson

router = NounRouter(prefix="/api/v6/privacy", tags=["privacy"])


@router.post("/export", responses=WRITE)
async def export_person(caller: PrivacyWriter, commands: Commands, body: Person) -> PersonalData:
    """Everything that is kept about a person, for him to have."""
    command = ExportPerson(email=body.email, phone=body.phone)
    return PersonalData.model_validate_json(await commands.send(caller, command, body_request_id=body.request_id))


@router.post("/erase", responses=WRITE)
async def erase_person(caller: PrivacyWriter, commands: Commands, body: Person) -> Erased:
    """Forget a person: e-mail, phone and free text leave his reservations and every answer kept for retries.

    The reservations themselves stay, without him; active ones stay active.
    """
    command = ErasePerson(email=body.email, phone=body.phone)
    return Erased.model_validate_json(await commands.send(caller, command, body_request_id=body.request_id))
