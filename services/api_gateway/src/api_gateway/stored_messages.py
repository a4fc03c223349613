"""What a stream holds, read whole: up to its end, whichever replica answers.

Owned by nobody: reads change nothing on the server. Used for the dead letters and for events older than our memory.

Any replica of a stream answers, and one may be a moment behind the others. What must not be missed is therefore read
by `read_page`, which believes in the end of a stream only when the stream's leader says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from parking_chassis.direct_get import ANSWER_SECONDS, DirectGetError, StoredMessage, beginning, read_stored

if TYPE_CHECKING:
    from nats.aio.client import Client

LAG_SECONDS = 0.02
NO_MESSAGE = 404


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
    deadline: float | None = None  # from the first answer on
    while True:
        found = await read_stored(client, stream, sequence=sequence, subject=subject, limit=limit, since=since)
        if found and found[-1].remaining:
            return found
        begin = beginning(found[-1].sequence + 1, None) if found else beginning(sequence, since)
        if not await _leader_has_more(client, stream, {**begin, "next_by_subj": subject}):
            return found
        if found:
            return [*found[:-1], replace(found[-1], remaining=1)]
        now = asyncio.get_running_loop().time()
        deadline = deadline or now + ANSWER_SECONDS
        if now > deadline:
            raise DirectGetError(f"a replica of {stream} is far behind the others")
        await asyncio.sleep(LAG_SECONDS)


async def _leader_has_more(client: Client, stream: str, question: dict[str, object]) -> bool:
    reply = await client.request(
        f"$JS.API.STREAM.MSG.GET.{stream}", msgspec.json.encode(question), timeout=ANSWER_SECONDS
    )
    error = msgspec.json.decode(reply.data, type=_Answer).error
    if error is not None and error.code != NO_MESSAGE:
        raise DirectGetError(f"get: {error.code} {error.description}")
    return error is None


async def count_stored(client: Client, stream: str, *, sequence: int, subject: str) -> int:
    """How many messages match from `sequence` on."""
    first = await read_stored(client, stream, sequence=sequence, subject=subject, limit=1)
    return first[0].remaining + 1 if first else 0
