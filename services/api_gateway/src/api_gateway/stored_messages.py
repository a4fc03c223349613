"""Messages read straight from a stream, by sequence and subject, without a consumer (JetStream's direct get).

Owned by nobody: reads change nothing on the server. Used for the dead letters and for events older than our memory.
"""

from __future__ import annotations

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
BATCH_BYTES = 1 << 20


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


async def read_stored(
    client: Client, stream: str, *, sequence: int, subject: str, limit: int, since: datetime | None = None
) -> Sequence[StoredMessage]:
    """Up to `limit` messages (and about 1 MiB) from `sequence`, or else since a time, whose subject matches.

    Oldest first.

    Raises:
        NatsError: The server does not answer in time or refuses.
    """
    begin = {"seq": max(sequence, 1)} if since is None else {"start_time": since}
    question = {**begin, "next_by_subj": subject, "batch": limit, "max_bytes": BATCH_BYTES}
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
