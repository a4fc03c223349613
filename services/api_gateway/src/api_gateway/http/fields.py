"""The fields that several nouns share: their limits, units, descriptions and examples, for models and OpenAPI."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from parking_contracts.device import parse_eui


def storable(text: str) -> str:
    """A text that PostgreSQL can hold. Raises ValueError."""
    if "\0" in text:
        raise ValueError("U+0000 cannot be stored")
    return text


def _everywhere(moment: datetime) -> datetime:
    """What PostgreSQL, Python and every offset from UTC can hold."""
    if not 1970 <= moment.year < 9999:
        raise ValueError("lies outside the years 1970 to 9998")
    return moment


def _eui(text: str) -> str:
    return parse_eui(text)


def _written_out(value: object) -> object:
    """Bare numbers would be read as seconds since 1970, or milliseconds: nobody who sends one is sure which."""
    if isinstance(value, str) and _DATE.match(value):
        return value
    raise ValueError("expected a date and time with its offset, such as 2026-05-04T10:00:00+02:00")


DOCUMENT_BYTES = 16 << 10
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
# Of an idempotency key, in header or body.
KEY_PATTERN = r"^[\x21-\x7e]{1,200}$"


def _small(document: dict[str, Any]) -> dict[str, Any]:
    if len(msgspec.json.encode(document)) > DOCUMENT_BYTES:
        raise ValueError(f"takes more than {DOCUMENT_BYTES} bytes as JSON")
    return document


Document = Annotated[dict[str, Any], AfterValidator(_small)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_everywhere)]
FilterText = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(storable)]
SearchText = Annotated[
    FilterText | None, Query(description="only those whose code or name holds this text, in any case", examples=["A-1"])
]
Name = Annotated[str, Field(min_length=1, max_length=100, description="for people", examples=["Bay A-17"])]
Latitude = Annotated[float, Field(ge=-90, le=90, description="WGS 84 degrees", examples=[-37.8136])]
Longitude = Annotated[float, Field(ge=-180, le=180, description="WGS 84 degrees", examples=[144.9631])]
Eui = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_eui),
    Field(
        description="DevEUI: 16 hex digits; `:`, `-` and spaces may separate its bytes", examples=["70b3d57ed0061a2b"]
    ),
]
EuiPath = Annotated[
    str,
    AfterValidator(_eui),
    Path(description="DevEUI in any notation", examples=["70b3d57ed0061a2b"], max_length=64),
]
RequestId = Annotated[
    str | None,
    Field(
        pattern=KEY_PATTERN,
        description="the same as the header Idempotency-Key, for clients that cannot set headers",
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many to return")]
IncludeDeleted = Annotated[bool, Query(description="also what was deleted")]


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def absent(**limits: Any) -> Any:
    """A field of a partial update that may be left out, but not be null."""
    return Field(default=None, json_schema_extra=_without_default, **limits)


class Body(BaseModel):
    """A request body: an unknown field is an error, so that a typing mistake is not silently ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def require_whole_position(body: BaseModel) -> None:
    """A position has both coordinates or none; a partial update names both or neither.

    Raises:
        ValueError: Only half of one is given.
    """
    named = {"latitude", "longitude"} & body.model_fields_set
    values = [getattr(body, "latitude", None), getattr(body, "longitude", None)]
    if len(named) == 1 or (values[0] is None) != (values[1] is None):
        raise ValueError("give latitude and longitude together, or neither")
