"""Messages read straight from a stream, by sequence and subject, without a consumer (JetStream's direct get).

Owned by nobody: reads change nothing on the server. Used for the dead letters and for events older than our memory.

Any replica of a stream answers, and one may be a moment behind the others. What must not be missed is therefore read
by `read_page`, which believes in the end of a stream only when the stream's leader says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from nats.errors import Error as NatsError
from nats.js import api

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

ANSWER_SECONDS = 5.0
BATCH_BYTES = 1 << 20
LAG_SECONDS = 0.02
NO_MESSAGE = 404


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as the stream keeps it; `remaining` more that match came after it when it was read."""

    sequence: int
    subject: str
    headers: dict[str, str]
    data: bytes
    remaining: int


class StoredMessagesError(NatsError):
    """The server answered a read with an error of its own."""


class _Error(msgspec.Struct, frozen=True):
    code: int
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Error | None = None


async def read_page(
    client: Client, stream: str, *, sequence: int, subject: str, limit: int, since: datetime | None = None
) -> Sequence[StoredMessage]:
    """As `read_stored`, but of all that the stream has when this is called.

    `remaining` may be too small, but is 0 only where nothing followed.

    Raises:
        NatsError: The server does not answer in time or refuses.
    """
    deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
    while True:
        found = await read_stored(client, stream, sequence=sequence, subject=subject, limit=limit, since=since)
        if found and found[-1].remaining:
            return found
        begin = _begin(found[-1].sequence + 1, None) if found else _begin(sequence, since)
        if not await _leader_has_more(client, stream, {**begin, "next_by_subj": subject}):
            return found
        if found:
            return [*found[:-1], replace(found[-1], remaining=1)]
        if asyncio.get_running_loop().time() > deadline:
            raise StoredMessagesError(f"a replica of {stream} is far behind the others")
        await asyncio.sleep(LAG_SECONDS)


async def _leader_has_more(client: Client, stream: str, question: dict[str, object]) -> bool:
    reply = await client.request(
        f"$JS.API.STREAM.MSG.GET.{stream}", msgspec.json.encode(question), timeout=ANSWER_SECONDS
    )
    error = msgspec.json.decode(reply.data, type=_Answer).error
    if error is not None and error.code != NO_MESSAGE:
        raise StoredMessagesError(f"get: {error.code} {error.description}")
    return error is None


def _begin(sequence: int, since: datetime | None) -> dict[str, object]:
    return {"seq": max(sequence, 1)} if since is None else {"start_time": since}


async def read_stored(
    client: Client, stream: str, *, sequence: int, subject: str, limit: int, since: datetime | None = None
) -> Sequence[StoredMessage]:
    """Up to `limit` messages (and about 1 MiB) from `sequence`, or else since a time, whose subject matches.

    Oldest first; those that were stored a moment ago may be missing.

    Raises:
        NatsError: The server does not answer in time or refuses.
    """
    question = {**_begin(sequence, since), "next_by_subj": subject, "batch": limit, "max_bytes": BATCH_BYTES}
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(question), reply=inbox)
        messages: list[StoredMessage] = []
        while True:
            message = await subscription.next_msg(ANSWER_SECONDS)
            status = (message.headers or {}).get(api.Header.STATUS)
            if status in ("204", "404"):
                return messages
            if status is not None:
                raise StoredMessagesError(f"direct get: {status} {(message.headers or {}).get('Description', '')}")
            messages.append(_stored(message))
    finally:
        await subscription.unsubscribe()


def _stored(message: Msg) -> StoredMessage:
    headers = {str(name): value for name, value in (message.headers or {}).items()}
    return StoredMessage(
        sequence=int(headers["Nats-Sequence"]),
        subject=headers["Nats-Subject"],
        headers=headers,
        data=message.data,
        remaining=int(headers.get("Nats-Num-Pending", 0)),
    )


async def count_stored(client: Client, stream: str, *, sequence: int, subject: str) -> int:
    """How many messages match from `sequence` on."""
    first = await read_stored(client, stream, sequence=sequence, subject=subject, limit=1)
    return first[0].remaining + 1 if first else 0
