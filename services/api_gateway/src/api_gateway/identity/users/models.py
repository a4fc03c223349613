"""Users as HTTP shows and takes them. A password comes in and never goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from api_gateway.http.fields import Body, Name, RequestId, absent
from api_gateway.identity.credentials import EMAIL, LENGTH
from api_gateway.identity.roles import Role


def _email(text: str) -> str:
    if EMAIL.fullmatch(text) is None:
        raise ValueError("is no e-mail address")
    return text


Email = Annotated[
    str,
    AfterValidator(_email),
    Field(
        min_length=3,
        max_length=255,
        description="the account's name on the whole platform; upper and lower case are the same",
        examples=["ada@example.com"],
    ),
]
NewPassword = Annotated[
    str,
    Field(
        min_length=LENGTH.start,
        max_length=LENGTH.stop - 1,
        description="any characters; the e-mail address and the most common passwords are refused",
        examples=["three blue parking meters"],
    ),
]
RoleField = Annotated[
    Role,
    Field(
        description="viewer reads all but personal data; operator also runs the car park, reservations included; admin "
        "does all in the tenant; owner is kept"
    ),
]


class User(BaseModel):
    """Somebody who logs in."""

    tenant_id: UUID = Field(description="whom he belongs to")
    id: UUID
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada"])
    role: RoleField
    platform_admin: bool = Field(description="whether the whole platform's nouns are open to him")
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = Field(description="null while he may log in")


class UserPage(BaseModel):
    """Some of the users, by e-mail."""

    total: int = Field(description="how many match, on all pages", examples=[3])
    limit: int
    offset: int
    items: list[User]


class NewUser(Body):
    """A user to be added; his first password is told to him by whoever adds him."""

    email: Email
    name: Name
    role: RoleField
    password: NewPassword
    request_id: RequestId = None


class UserChanges(Body):
    """The fields to change; what is absent stays. Disabling, and another password, end all of his sessions."""

    name: Name = absent()
    role: RoleField = absent()
    disabled: bool = absent(description="whether he is kept out")
    password: NewPassword = absent()
