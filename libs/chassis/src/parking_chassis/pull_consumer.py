"""JetStream consuming in batches: whatever has arrived is one batch, acknowledged message by message.

Requests are renewed before they run dry, so the server never waits for us; a batch is what came while the last one
was worked on. A request that the server ended, forgot or lost with the connection is made again, which also cures a
stalled consumer (pending, and nothing delivered).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import structlog
from nats.errors import Error as NatsError

from parking_chassis.raw_inbox import RawInbox

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

REQUEST_EXPIRES_SECONDS = 10.0
PURGE_SECONDS = 10.0
REFUSED_SECONDS = 0.5
SHORT_ACK_TOKENS = 9
_STATUS = re.compile(rb"NATS/1\.0 (\d{3})")
_PENDING = re.compile(rb"Nats-Pending-Messages: *(\d+)")
_HEADER = re.compile(rb"\r\n([^:\r\n]+): *([^\r\n]*)")


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One delivered message. Its ack subject carries where it stands in the stream and how often it was delivered."""

    payload: bytes
    headers: bytes | None
    ack_subject: bytes
    subject: bytes = b""

    @property
    def times_delivered(self) -> int:
        """1 on the first delivery."""
        return self._told(0)

    @property
    def stream_sequence(self) -> int:
        """The message's place in its stream."""
        return self._told(1)

    @property
    def consumer_sequence(self) -> int:
        """The how-manieth delivery of its consumer this is."""
        return self._told(2)

    @property
    def stored_at(self) -> datetime:
        """When the stream took the message in; the same at every delivery."""
        return datetime.fromtimestamp(self._told(3) / 1e9, UTC)

    def _told(self, field: int) -> int:
        """Number `field` after stream and consumer in the ack subject, of nine tokens or, with a domain, of twelve."""
        tokens = self.ack_subject.split(b".")
        return int(tokens[field + (4 if len(tokens) == SHORT_ACK_TOKENS else 6)])

    def header(self, name: bytes) -> bytes | None:
        """One header's value."""
        if self.headers is None or name not in self.headers:  # as most: spare them the parsing
            return None
        return dict(_HEADER.findall(self.headers)).get(name)


class PullConsumer:
    """A durable consumer's messages in batches of at most `batch_size`; call `next_batch` from one task."""

    def __init__(self, client: Client, stream: str, consumer: str, *, batch_size: int) -> None:
        self._client = client
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode()
        self._info_subject = f"$JS.API.CONSUMER.INFO.{stream}.{consumer}"
        self._purge_subject = f"$JS.API.STREAM.PURGE.{stream}"
        self._purged = 0
        self._batch_size = batch_size
        self._inbox: RawInbox | None = None
        self._arrived: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._request = 0
        self._request_left = 0
        self._request_ends_at = 0.0
        self._paused_until = 0.0
        self._reconnects = -1

    @property
    def waiting(self) -> int:
        """Messages that have come and are not handed over yet."""
        return len(self._arrived)

    async def next_batch(self) -> list[Delivery]:
        """Wait for at least one message, then hand over all that came; nothing after `close`."""
        if self._inbox is None:
            self._inbox = await RawInbox.open(self._client, self._on_message)
        while not self._arrived and not self._closed:
            await self._renew_request(self._inbox)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # not wait_for: until Python 3.12 it may swallow a cancellation
                    await self._wake.wait()
        if self._closed:
            return []
        count = min(len(self._arrived), self._batch_size)
        batch = [self._arrived.popleft() for _ in range(count)]
        await self._renew_request(self._inbox)
        return batch

    def close(self) -> None:
        """Take no more: `next_batch` answers with nothing, at once."""
        self._closed = True
        self._wake.set()

    async def give_back(self) -> None:
        """Hand what was delivered and not yet taken to whoever else consumes, now rather than after the ack wait.

        The inbox is closed first: what our last request still asks for would come to nobody.
        """
        if self._inbox is None:
            return
        await self._inbox.close()
        waiting = list(self._arrived)
        self._arrived.clear()
        await self._answer(waiting, b"-NAK")
        self._inbox, self._request_left = None, 0

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge work that is durable."""
        await self._answer(deliveries, b"")

    async def keep_alive(self, deliveries: Sequence[Delivery]) -> None:
        """Tell JetStream that the work goes on, so that it does not deliver it again meanwhile."""
        await self._answer(deliveries, b"+WPI")

    async def nak(self, deliveries: Sequence[Delivery], *, delay_seconds: float) -> None:
        """Ask for these again, after a while."""
        await self._answer(deliveries, b'-NAK {"delay":%d}' % int(delay_seconds * 1e9))

    async def ack_floor(self) -> int:
        """The stream sequence below which every message is acknowledged."""
        reply = await self._client.request(self._info_subject, b"", timeout=2)
        try:
            return msgspec.json.decode(reply.data, type=_ConsumerInfo).ack_floor.stream_seq
        except msgspec.ValidationError as error:
            # JetStream answers with an error instead while it recovers after a restart.
            raise NatsError(f"no consumer info: {reply.data[:200].decode(errors='replace')}") from error

    async def purge_acknowledged(self) -> None:
        """Take from the stream what this consumer, its only one, has acknowledged without a gap."""
        floor = await self.ack_floor()
        if floor > self._purged:
            request = b'{"seq":%d}' % (floor + 1)
            await self._client.request(self._purge_subject, request, timeout=PURGE_SECONDS)
            self._purged = floor

    async def _answer(self, deliveries: Sequence[Delivery], word: bytes) -> None:
        if deliveries and self._inbox is not None:
            line = b" %d\r\n%b\r\n" % (len(word), word)
            await self._inbox.write(b"".join([b"PUB %b%b" % (one.ack_subject, line) for one in deliveries]))

    async def _renew_request(self, inbox: RawInbox) -> None:
        now = asyncio.get_running_loop().time()
        if self._client.stats["reconnects"] != self._reconnects:
            self._reconnects = self._client.stats["reconnects"]
            self._request_left = 0
        if now >= self._request_ends_at:
            self._request_left = 0
        if self._request_left > self._batch_size // 2:
            return
        if len(self._arrived) >= self._batch_size or not self._client.is_connected or now < self._paused_until:
            return
        self._request += 1
        self._request_left += self._batch_size
        self._request_ends_at = now + REQUEST_EXPIRES_SECONDS + 1
        body = b'{"batch":%d,"expires":%d}' % (self._batch_size, int(REQUEST_EXPIRES_SECONDS * 1e9))
        reply = b"%b.%d" % (inbox.prefix, self._request)
        await inbox.write(b"PUB %b %b %d\r\n%b\r\n" % (self._next_subject, reply, len(body), body))

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if self._inbox is None or self._inbox.token_of(subject) is None:
            self._request_left -= 1
            self._arrived.append(Delivery(data, headers, reply, subject))
        else:
            self._on_status(headers or b"")
        self._wake.set()

    def _on_status(self, headers: bytes) -> None:
        """A request ended, by time (408) or by the server: what it asked for and did not get will not come."""
        status = _STATUS.match(headers)
        if status is None or status[1] == b"100":
            return
        undelivered = _PENDING.search(headers)
        # Without a count (503: nobody answers, 404: nothing there) the request brought nothing at all.
        self._request_left = max(0, self._request_left - (int(undelivered[1]) if undelivered else self._batch_size))
        if status[1] not in (b"404", b"408"):
            log.warning("pull_refused", status=headers.decode(errors="replace").strip())
            self._paused_until = asyncio.get_running_loop().time() + REFUSED_SECONDS


class _Floor(msgspec.Struct, frozen=True):
    stream_seq: int


class _ConsumerInfo(msgspec.Struct, frozen=True):
    ack_floor: _Floor
