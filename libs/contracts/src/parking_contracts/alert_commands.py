"""Commands on alerts, answered by occupancy_engine. It opens and closes them by itself, as it looks again."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta

from parking_contracts import subjects
from parking_contracts.command import CommandBody

OWNER = "occupancy"


class AcknowledgeAlert(CommandBody, frozen=True, kw_only=True):
    """Say that somebody has taken note. Answers an AlertView; of an alert acknowledged before, as it was then."""

    subject: ClassVar[str] = subjects.command(OWNER, "alert.acknowledge")
    id: UUID
    note: Annotated[str, Meta(max_length=500)] = ""
