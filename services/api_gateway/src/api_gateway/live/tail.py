"""One stream's messages in order and without a gap, whatever happens to the connection or to the consumer.

An ephemeral ordered consumer: no acks, heartbeats, flow control. Its own sequence numbers show a lost message, its
heartbeats a lost consumer; either way a new one goes on behind the last message that was handled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from nats.errors import Error as NatsError
from nats.js import api

from parking_chassis.pull_consumer import Delivery
from parking_chassis.raw_inbox import RawInbox

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 2.5
RETRY_SECONDS = 0.5

STATUS = b"NATS/1.0 1"
STALLED, LAST_SENT = b"Nats-Consumer-Stalled", b"Nats-Last-Consumer"

Handle = Callable[[Delivery], Awaitable[None]]
OnStart = Callable[[int], None]


class _InterruptedError(Exception):
    """The consumer lost a message or fell silent."""


class StreamTail:
    """Follows a stream from its end on. `following` is false while NATS or the consumer is away."""

    def __init__(self, stream: str, handle: Handle, on_start: OnStart) -> None:
        self._stream = stream
        self._handle = handle
        self._on_start = on_start
        self._position: int | None = None
        self._created: datetime | None = None
        self.following = False

    async def run(self, client: Client) -> None:
        """Follow for ever. `on_start(sequence)` is called at the first start, and if the stream was made anew."""
        while True:
            try:
                await self._follow(client)
            except (_InterruptedError, NatsError, TimeoutError) as error:
                if self.following:
                    log.warning("stream_interrupted", stream=self._stream, why=repr(error))
            self.following = False
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, client: Client) -> None:
        arrived = _Arrived()
        inbox = await RawInbox.open(client, arrived.take, with_tokens=False)
        try:
            position = await self._find_position(client)
            await self._create_consumer(client, inbox.prefix.decode(), position + 1)
            self.following = True
            log.info("stream_followed", stream=self._stream, after=position)
            await self._handle_messages(client, arrived)
        finally:
            if not client.is_closed:
                await inbox.close()

    async def _find_position(self, client: Client) -> int:
        """Where to go on. A stream that ends before our position is a new one: it starts afresh."""
        info = await client.jetstream().stream_info(self._stream)
        last: int = info.state.last_seq
        if self._position is None or self._position > last:
            if self._position is not None:
                if info.created == self._created:
                    raise _InterruptedError(f"the node that answered has only {last} of {self._position} messages")
                log.error("stream_restarted", stream=self._stream, was=self._position, now=last)
            self._position, self._created = last, info.created
            self._on_start(last)
        return self._position

    async def _create_consumer(self, client: Client, inbox: str, sequence: int) -> None:
        await client.jetstream().add_consumer(
            self._stream,
            api.ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=sequence,
                ack_policy=api.AckPolicy.NONE,
                max_deliver=1,
                idle_heartbeat=HEARTBEAT_SECONDS,
                flow_control=True,
                inactive_threshold=10.0,
                mem_storage=True,
                num_replicas=1,
            ),
        )

    async def _handle_messages(self, client: Client, arrived: _Arrived) -> None:
        handled = 0
        while True:
            message = await arrived.next()
            if (message.headers or b"").startswith(STATUS):
                await self._answer_control(client, message, handled)
                continue
            if message.consumer_sequence != handled + 1:
                raise _InterruptedError(f"message {message.consumer_sequence} came after {handled}")
            handled += 1
            await self._handle(message)
            self._position = message.stream_sequence

    async def _answer_control(self, client: Client, control: Delivery, handled: int) -> None:
        """Flow control wants an answer once everything before it is handled; a heartbeat tells what was sent."""
        answer_to = control.ack_subject or control.header(STALLED)
        if answer_to:
            await client.publish(answer_to.decode())
        sent = control.header(LAST_SENT)
        if sent is not None and int(sent) != handled:
            raise _InterruptedError(f"{sent.decode()} messages were sent, {handled} came")


class _Arrived:
    """What came and was not handled yet, straight from the connection: flow control bounds it."""

    def __init__(self) -> None:
        self._messages: deque[Delivery] = deque()
        self._wake = asyncio.Event()

    def take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self._messages.append(Delivery(data, headers, reply, subject))
        self._wake.set()

    async def next(self) -> Delivery:
        """The oldest; raises when there is nothing for longer than a living consumer is silent."""
        while not self._messages:
            self._wake.clear()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._wake.wait()
            except TimeoutError as error:
                raise _InterruptedError("no heartbeat") from error
        return self._messages.popleft()
