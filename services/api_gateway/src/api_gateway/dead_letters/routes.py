"""Routes for dead letters: what could not be handled, why, and another try. For the platform's admin."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from api_gateway.dead_letters.stream import (
    LetterHead,
    ReplayRefusedError,
    find_letter,
    letter_filter,
    newest_letters,
    replay_letter,
)
from api_gateway.gateway import gateway_of
from api_gateway.http.openapi import READ, READ_ONE, problems
from api_gateway.http.paging import link_next
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import DeadLettersReader, DeadLettersWriter
from parking_contracts import subjects
from parking_contracts.errors import DeadLetter, DeadLetterCode, ErrorCode

router = NounRouter(prefix="/api/v6/dead-letters", tags=["dead letters"])

Sequence = Annotated[int, Path(ge=1, le=2**63 - 1, description="the letter's id: its place in the stream")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,50}$")]


class ListedLetter(BaseModel):
    """A message that can never succeed as it is, and why."""

    id: int = Field(description="its place in the stream of dead letters", examples=[42])
    code: DeadLetterCode
    service: str = Field(description="who gave it up", examples=["uplink_ingestor"])
    detail: str = Field(description="what is wrong with it, in words", examples=["no JSON: unexpected end of data"])
    origin: str = Field(description="how it came: `mqtt` or `jetstream`", examples=["mqtt"])
    address: str = Field(
        description="the MQTT topic or the JetStream subject it came by",
        examples=["application/ca739e26-7b67-4f14-b69e-d568c22a5a75/device/0101010101010101/event/up"],
    )
    source: str = Field(description="the integration that delivered it", examples=["mqtt"])
    received_at: datetime
    failed_at: datetime
    attempts: int
    size_bytes: int = Field(description="size of the original body")
    truncated: bool = Field(description="whether only the beginning of the body was kept")


class LetterPage(BaseModel):
    """Dead letters, newest first."""

    total: int = Field(description="how many match, on all pages")
    items: list[ListedLetter]
    next_cursor: int | None = Field(description="give it as `cursor` for the next page; null on the last one")


class Letter(ListedLetter):
    """A dead letter with its body."""

    sha256: str = Field(
        description="of the original body",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    body_base64: str = Field(description="the body, or its beginning", examples=["e25hbWU="])
    body_text: str | None = Field(description="the same as text, when it is printable UTF-8", examples=["{name"])


class Replayed(BaseModel):
    """Where the message went; the letter is gone. Should it fail again, it comes back under a new id."""

    subject: str = Field(description="what it was published to", examples=[subjects.ingress("up")])


@router.get("", responses=READ)
async def list_letters(
    _caller: DeadLettersReader,
    request: Request,
    response: Response,
    service: Annotated[ServiceName | None, Query(description="only those of this service")] = None,
    code: Annotated[DeadLetterCode | None, Query(description="only those with this reason")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="how many to return")] = 50,
    cursor: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="`next_cursor` of the page before: only older letters")
    ] = None,
) -> LetterPage:
    """Dead letters, newest first, without their bodies."""
    client = gateway_of(request).bus.connected()
    total, letters = await newest_letters(client, letter_filter(service, code), before=cursor, limit=limit)
    next_cursor = letters[-1][0] if len(letters) == limit else None
    link_next(request, response, next_cursor)
    return LetterPage(
        total=total, items=[_listed(sequence, head) for sequence, head in letters], next_cursor=next_cursor
    )


@router.get("/{sequence}", responses=READ_ONE)
async def get_letter(_caller: DeadLettersReader, request: Request, sequence: Sequence) -> Letter:
    """One dead letter with its body."""
    letter = await _found(request, sequence)
    return Letter(
        **_listed(sequence, letter).model_dump(),
        sha256=letter.sha256,
        body_base64=base64.b64encode(letter.body).decode(),
        body_text=_printable(letter.body),
    )


@router.post("/{sequence}/replay", responses=problems(401, 403, 404, 409, 422, 500, 503))
async def replay(_caller: DeadLettersWriter, request: Request, sequence: Sequence) -> Replayed:
    """Send the original message on its way again, and delete the letter once the bus has it."""
    letter = await _found(request, sequence)
    try:
        subject = await replay_letter(gateway_of(request).bus.connected(), sequence, letter)
    except ReplayRefusedError as error:
        raise ProblemError(ErrorCode.REPLAY_REFUSED, str(error)) from error
    return Replayed(subject=subject)


async def _found(request: Request, sequence: int) -> DeadLetter:
    letter = await find_letter(gateway_of(request).bus.connected(), sequence)
    if letter is None:
        raise not_found("dead letter", sequence)
    return letter


def _listed(sequence: int, letter: LetterHead | DeadLetter) -> ListedLetter:
    return ListedLetter(
        id=sequence,
        code=letter.code,
        service=letter.service,
        detail=letter.detail,
        origin=letter.origin,
        address=letter.address,
        source=letter.source,
        received_at=letter.received_at,
        failed_at=letter.failed_at,
        attempts=letter.attempts,
        size_bytes=letter.size_bytes,
        truncated=letter.truncated,
    )


def _printable(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character in "\t\r\n" for character in text) else None
