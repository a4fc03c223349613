"""People and what is kept about them, as HTTP takes and shows them."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from api_gateway.http.fields import Body, RequestId
from api_gateway.reservations.models import Email, Phone, Reservation


class Person(Body):
    """Somebody, known by e-mail (in any case), by phone, or by both: whatever carries one of them is his."""

    email: Email | None = None
    phone: Phone | None = None
    request_id: RequestId = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("name the person by email, by phone, or by both")
        return self


class PersonalData(BaseModel):
    """Everything that is kept about somebody."""

    reservations: list[Reservation] = Field(description="newest first")


class Erased(BaseModel):
    """What was forgotten."""

    reservations: int = Field(description="how many were stripped of e-mail, phone and metadata", examples=[3])
