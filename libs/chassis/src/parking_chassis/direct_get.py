"""Messages read straight from a stream, by sequence and subject, without a consumer (JetStream's direct get).

Owned by nobody: reads change nothing on the server, take part in no acknowledgement and take no message away.

Any replica of a stream answers, and one may be a moment behind the others: whoever must miss nothing asks the stream's
leader where the stream ends. While a stream is being made, or a node of a cluster comes back, there may be nobody who
answers for a moment; that is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from nats.errors import Error as NatsError
from nats.js import api

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

ANSWER_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.1
BATCH_BYTES = 1 << 20
STORED_AT = "Nats-Time-Stamp"
"""The header by which the server says when the stream took a message in."""

# No more in this batch, and nothing that matches at all.
_ENDS = frozenset({"204", "404"})
_NOBODY_ANSWERS = "503"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as the stream keeps it; `remaining` more that match came after it when it was read.

    `headers` are its own and those that the server adds to an answer.
    """

    sequence: int
    subject: str
    headers: dict[str, str]
    data: bytes
    remaining: int


class DirectGetError(NatsError):
    """The server answered a read with an error of its own."""


class _NobodyAnswersError(DirectGetError):
    """No node of the server serves the stream at this moment."""


def beginning(sequence: int, since: datetime | None) -> dict[str, object]:
    """The part of a question that says where to begin: at a sequence, or else at a time."""
    return {"seq": max(sequence, 1)} if since is None else {"start_time": since}


async def read_stored(
    client: Client,
    stream: str,
    *,
    sequence: int,
    subject: str,
    limit: int,
    since: datetime | None = None,
    max_bytes: int = BATCH_BYTES,
    answer_seconds: float = ANSWER_SECONDS,
) -> Sequence[StoredMessage]:
    """Up to `limit` messages (and about `max_bytes`) from `sequence`, or else since a time, whose subject matches.

    Oldest first; those that were stored a moment ago may be missing.

    Raises:
        DirectGetError: The server refuses; or nobody answers for `answer_seconds`, as where there is no such stream.
        NatsError: The server is silent for `answer_seconds`.
    """
    question = {**beginning(sequence, since), "next_by_subj": subject, "batch": limit, "max_bytes": max_bytes}
    deadline = asyncio.get_running_loop().time() + answer_seconds
    while True:
        left = deadline - asyncio.get_running_loop().time()
        try:
            return await _ask(client, stream, question, max(left, ASK_AGAIN_SECONDS))
        except _NobodyAnswersError:
            if left <= ASK_AGAIN_SECONDS:
                raise
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _ask(
    client: Client, stream: str, question: dict[str, object], answer_seconds: float
) -> Sequence[StoredMessage]:
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(question), reply=inbox)
        messages: list[StoredMessage] = []
        while True:
            message = await subscription.next_msg(answer_seconds)
            status = (message.headers or {}).get(api.Header.STATUS)
            if status in _ENDS:
                return messages
            if status == _NOBODY_ANSWERS:
                raise _NobodyAnswersError(f"direct get: nobody answers for {stream}")
            if status is not None:
                raise DirectGetError(f"direct get: {status} {(message.headers or {}).get('Description', '')}")
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
