"""Messages back into JetStream: the same messages in the same order and, where anyone counts them, at the same places.

In: a part and a NATS whose streams are not there. Out: streams and consumers as `parkstream migrate` declares them,
consumers where they stood. A stream being restored says so in its metadata, so that nobody takes it for whole.

Nobody counts the places in INGRESS, UPLINKS and DEVICES. Those in the other three are in event ids, cursors and URLs: a
place that was empty is filled and emptied again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import NotFoundError

from parking_contracts.streams import STREAMS, Stream
from parkstream.backup.bus_reading import MESSAGE_ID, StoredMessage
from parkstream.errors import OperatorError
from parkstream.streams import RESTORING, consumer_config, stream_config

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from parkstream.backup.manifest import SavedStream

AT_ONCE = 500
CONFIRM_SECONDS = 30.0


class _Confirmed(msgspec.Struct, frozen=True):
    """JetStream's answer to a publication."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, object] | None = None


async def found_streams(context: JetStreamContext) -> dict[str, api.StreamInfo]:
    """Those of our streams that exist."""
    found = {}
    for stream in STREAMS:
        try:
            found[stream.name] = await context.stream_info(stream.name)
        except NotFoundError:
            continue
    return found


def is_half_restored(info: api.StreamInfo) -> bool:
    """Whether a restore began to fill this stream and did not come to its end."""
    return RESTORING in (info.config.metadata or {})


async def drop_streams(context: JetStreamContext) -> None:
    """Take away every stream of ours."""
    for name in await found_streams(context):
        await context.delete_stream(name)


async def begin_stream(context: JetStreamContext, stream: Stream, saved: SavedStream, replicas: int) -> None:
    """Make a stream that begins where the saved one began, with its consumers, marked as being restored."""
    config = stream_config(stream, replicas)
    config.first_seq = saved.first if saved.first > 1 else None
    config.metadata = {RESTORING: "yes"}
    await context.add_stream(config)
    for consumer in stream.consumers:
        wanted = consumer_config(consumer)
        if stream.retention == "limits" and (floor := saved.floors[consumer.name]) >= max(1, saved.first):
            wanted.deliver_policy = api.DeliverPolicy.BY_START_SEQUENCE
            wanted.opt_start_seq = floor + 1
        await context.add_consumer(stream.name, wanted)


async def end_stream(context: JetStreamContext, stream: Stream, replicas: int) -> None:
    """Take the mark off a stream that is whole."""
    await context.update_stream(stream_config(stream, replicas))


class StreamFiller:
    """Publishes one stream's messages, some at a time, and sees each at its place."""

    def __init__(self, client: Client, stream: Stream, saved: SavedStream, told: Callable[[int], None]) -> None:
        self._client = client
        self._context = client.jetstream(timeout=CONFIRM_SECONDS)
        self._stream = stream
        self._saved = saved
        self._told = told
        self._keeps_places = stream.discard == "old"
        self._next = max(1, saved.first)
        self._filled: list[int] = []
        self._inbox = client.new_inbox()
        self._confirmed: dict[int, _Confirmed] = {}
        self._arrived = asyncio.Event()

    async def fill(self, messages: AsyncIterator[StoredMessage]) -> int:
        """Publish all; how many."""
        subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_confirmation)
        count = 0
        batch: list[tuple[str, dict[str, str], bytes]] = []
        async for message in messages:
            while self._keeps_places and self._next + len(batch) < message.sequence:
                self._filled.append(self._next + len(batch))
                batch.append((message.subject, {}, b""))
                batch = await self._publish_if_full(batch)
            batch.append((message.subject, self._headers(message), message.data))
            count += 1
            batch = await self._publish_if_full(batch)
        await self._publish(batch)
        await self._reach_the_end()
        for sequence in self._filled:
            await self._context.delete_msg(self._stream.name, sequence)
        await subscription.unsubscribe()
        return count

    def _headers(self, message: StoredMessage) -> dict[str, str]:
        """A message's own headers; its id only as long as the stream would still have known it.

        Within that window no id is there twice, so that none of them is taken for a duplicate here.
        """
        if self._keeps_places and message.stored_at < self._saved.newest - self._stream.duplicate_window_seconds:
            return {name: value for name, value in message.headers.items() if name != MESSAGE_ID}
        return message.headers

    async def _reach_the_end(self) -> None:
        """Places at the end of the stream that were empty are used up too: new events come behind what was told."""
        subject = self._stream.subjects[0].replace(">", "restored")
        batch: list[tuple[str, dict[str, str], bytes]] = []
        while self._keeps_places and self._next + len(batch) <= self._saved.last:
            self._filled.append(self._next + len(batch))
            batch.append((subject, {}, b""))
            batch = await self._publish_if_full(batch)
        await self._publish(batch)

    async def _publish_if_full(
        self, batch: list[tuple[str, dict[str, str], bytes]]
    ) -> list[tuple[str, dict[str, str], bytes]]:
        if len(batch) < AT_ONCE:
            return batch
        await self._publish(batch)
        return []

    async def _publish(self, batch: list[tuple[str, dict[str, str], bytes]]) -> None:
        """Publish in order, then see every one confirmed."""
        self._confirmed.clear()
        for number, (subject, headers, data) in enumerate(batch):
            await self._client.publish(subject, data, reply=f"{self._inbox}.{number}", headers=headers or None)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                while len(self._confirmed) < len(batch):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise NatsError(f"{self._stream.name}: a message was not confirmed in {CONFIRM_SECONDS:.0f} s") from error
        for number in range(len(batch)):
            self._check(self._confirmed[number], number)
        self._next += len(batch)
        self._told(len(batch))

    def _check(self, answer: _Confirmed, number: int) -> None:
        if answer.error is not None:
            raise OperatorError(
                f"NATS refused a message for {self._stream.name}: {answer.error.get('description')}.",
                "Give JetStream as much room, and messages as large, as the platform had that was backed up.",
            )
        if self._keeps_places and answer.seq != self._next + number:
            raise OperatorError(
                f"A message of {self._stream.name} came to place {answer.seq} instead of {self._next + number}.",
                "Somebody else publishes on the target. Stop every service and client, then restore with --replace.",
            )

    async def _on_confirmation(self, message: Msg) -> None:
        self._confirmed[int(message.subject.rpartition(".")[2])] = msgspec.json.decode(message.data, type=_Confirmed)
        self._arrived.set()
