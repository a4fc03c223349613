"""ETag and If-Match: a change that is only made to what the client has seen (RFC 9110, 13.1.1).

The tag of a record is its revision: the moment its description last changed, or its version where it counts one. What
is shown for a space moves on by itself and is no part of it. Without If-Match, a change is made to whatever is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Header, Response
from fastapi.exceptions import RequestValidationError

from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode

IF_MATCH_PATTERN = r'^\*$|^(W/)?"[\x21\x23-\x7e]{0,100}"$'
ETAG_HEADER = {"description": "the revision, to be sent as If-Match with a change", "schema": {"type": "string"}}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OUR_TAG = re.compile(r'"(0|[1-9][0-9]{0,18})"')


def etag_of(revision: datetime | int) -> str:
    """The tag of a revision: its number, or its moment in microseconds since 1970."""
    number = revision if isinstance(revision, int) else (revision - _EPOCH) // _MICROSECOND
    return f'"{number}"'


def show_revision(response: Response, revision: datetime | int) -> None:
    """Give the answer its ETag."""
    response.headers["ETag"] = etag_of(revision)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What If-Match asked for; a tag that no record of ours can have is refused as PRECONDITION_FAILED when used."""

    tag: str | None = None

    @property
    def version(self) -> int | None:
        """The version that the client saw; None when it does not care.

        Raises:
            ProblemError: PRECONDITION_FAILED.
        """
        if self.tag is None or self.tag == "*":
            return None
        ours = _OUR_TAG.fullmatch(self.tag)
        if ours is None or int(ours[1]) >= 2**63:
            raise _moved_on()
        return int(ours[1])

    @property
    def moment(self) -> datetime | None:
        """The `updated_at` that the client saw; None when it does not care.

        Raises:
            ProblemError: PRECONDITION_FAILED.
        """
        number = self.version
        try:
            return None if number is None else _EPOCH + timedelta(microseconds=number)
        except OverflowError as error:
            raise _moved_on() from error


def _moved_on() -> ProblemError:
    return ProblemError(
        ErrorCode.PRECONDITION_FAILED,
        "If-Match names no revision that this record has had (a weak tag, W/..., never matches): read it again",
    )


def _precondition(
    if_match: Annotated[
        str | None,
        Header(
            description='only if the record still has this ETag, such as `"1764763200123456"`; `*`: whichever it has. '
            "Weak tags never match",
            json_schema_extra={"pattern": IF_MATCH_PATTERN},
        ),
    ] = None,
) -> Precondition:
    if if_match is not None and not re.fullmatch(IF_MATCH_PATTERN, if_match):
        message = (
            'expected one entity tag in double quotes, as the ETag header gave it, or *, such as "1764763200123456"'
        )
        raise RequestValidationError([{"loc": ("header", "If-Match"), "msg": message, "type": "etag"}])
    return Precondition(if_match)


IfMatch = Annotated[Precondition, Depends(_precondition)]
