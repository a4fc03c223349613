"""The name by which clients ask for a kind of event, of the live stream and of their webhooks alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from api_gateway.live.announcement import EVENT_NAMES


def _known(name: str) -> str:
    if name not in EVENT_NAMES:
        raise ValueError(f"expected one of {', '.join(EVENT_NAMES)}")
    return name


EventName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(EVENT_NAMES)})]
