"""Messages out of JetStream, one by one with their sequences, without a consumer that would take them away.

In: a stream and a span of sequences. Out: a part. Direct gets change nothing on the server and take part in no
acknowledgement, so the platform does not notice them. What a cluster's follower does not have yet is asked for again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from nats.js.errors import NotFoundError

from parking_chassis import direct_get
from parking_contracts.streams import Stream
from parkstream.backup.parts import PartWriter
from parkstream.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

    from parkstream.backup.manifest import Part

PAGE = 1000
PAGE_BYTES = 4 << 20
ANSWER_SECONDS = 10.0
BEHIND_SECONDS = 30.0
MESSAGE_ID = "Nats-Msg-Id"
# Of JetStream's own headers only the message's id is the message's; the rest is about one publication or one answer.
_SERVERS_OWN = "Nats-"


class StoredMessage(msgspec.Struct, frozen=True, array_like=True):
    """One message as its stream keeps it. `stored_at`: seconds since 1970."""

    sequence: int
    stored_at: float
    subject: str
    headers: dict[str, str]
    data: bytes


class Span(msgspec.Struct, frozen=True):
    """A stream's first and last sequence at one moment; empty when `last < first`."""

    first: int
    last: int


async def span(client: Client, stream: Stream) -> Span:
    """Where a stream begins and ends now."""
    try:
        state = (await client.jetstream().stream_info(stream.name)).state
    except NotFoundError as error:
        raise OperatorError(f"NATS has no stream {stream.name}.", "Run `parkstream migrate`.") from error
    return Span(state.first_seq, state.last_seq)


async def floors(client: Client, stream: Stream) -> dict[str, int]:
    """For each durable consumer, the sequence up to which it has acknowledged everything."""
    found = {info.name: info for info in await client.jetstream().consumers_info(stream.name)}
    wanted = [consumer.name for consumer in stream.consumers]
    if missing := [name for name in wanted if name not in found]:
        raise OperatorError(f"Stream {stream.name} lacks its consumer {missing[0]}.", "Run `parkstream migrate`.")
    return {name: ack.stream_seq if (ack := found[name].ack_floor) else 0 for name in wanted}


class StreamWriter:
    """A stream's messages on their way into one part, in several goes. `noted`: ids of `wanted` that came by."""

    def __init__(self, client: Client, stream: Stream, folder_writer: PartWriter) -> None:
        self._client = client
        self._stream = stream
        self._writer = folder_writer
        self._ids: set[str] = set()
        self.count = 0
        self.newest = 0.0

    async def copy(self, first: int, last: int, on_messages: Callable[[int], None], wanted: set[str]) -> set[str]:
        """Save everything from `first` to `last`; those ids of `wanted` that came by."""
        noted: set[str] = set()
        async for page in read_span(self._client, self._stream.name, first, last):
            for message in page:
                packed = msgspec.msgpack.encode(message)
                await self._writer.write(len(packed).to_bytes(4) + packed)
                if (message_id := message.headers.get(MESSAGE_ID)) in wanted and message_id is not None:
                    noted.add(message_id)
            self.count += len(page)
            self.newest = page[-1].stored_at
            on_messages(len(page))
        return noted

    async def finish(self) -> Part:
        """The part."""
        return await self._writer.finish(self.count)


async def read_span(client: Client, stream: str, first: int, last: int) -> AsyncIterator[Sequence[StoredMessage]]:
    """Pages of what a stream holds from `first` to `last`, in order. Raises NatsError: JetStream does not answer."""
    following = first
    deadline = time.monotonic() + BEHIND_SECONDS
    while following <= last:
        page = [message for message in await _page(client, stream, following) if message.sequence <= last]
        if page:
            yield page
            following = page[-1].sequence + 1
            deadline = time.monotonic() + BEHIND_SECONDS
        elif await _next_of_leader(client, stream, following) > last:
            return
        elif time.monotonic() > deadline:
            raise OperatorError(f"{stream} cannot be read: a node of the cluster stays behind.", "Mend the cluster.")
        else:
            await asyncio.sleep(0.1)


async def _page(client: Client, stream: str, sequence: int) -> Sequence[StoredMessage]:
    found = await direct_get.read_stored(
        client,
        stream,
        sequence=sequence,
        subject=">",
        limit=PAGE,
        max_bytes=PAGE_BYTES,
        answer_seconds=ANSWER_SECONDS,
    )
    return [_to_save(message) for message in found]


async def _next_of_leader(client: Client, stream: str, sequence: int) -> int:
    """The next sequence that the stream's leader has from `sequence` on; beyond all numbers if there is none."""
    try:
        found = await client.jetstream().get_msg(stream, seq=max(sequence, 1), next=True, subject=">")
    except NotFoundError:
        return 1 << 63
    return found.seq or 0


def _to_save(message: direct_get.StoredMessage) -> StoredMessage:
    given = message.headers.items()
    own = {name: value for name, value in given if name == MESSAGE_ID or not name.startswith(_SERVERS_OWN)}
    stored_at = datetime.fromisoformat(message.headers[direct_get.STORED_AT]).astimezone(UTC)
    return StoredMessage(message.sequence, stored_at.timestamp(), message.subject, own, message.data)


async def unpack(pieces: AsyncIterator[bytes]) -> AsyncIterator[StoredMessage]:
    """The messages of a part, from its bytes."""
    decode = msgspec.msgpack.Decoder(StoredMessage).decode
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        at = 0
        while len(buffer) >= at + 4 and len(buffer) >= (end := at + 4 + int.from_bytes(buffer[at : at + 4])):
            yield decode(bytes(buffer[at + 4 : end]))
            at = end
        del buffer[:at]
    if buffer:
        raise OperatorError(
            "A stream's part ends within a message.", "Use another backup, or another copy of this one."
        )
