"""JetStream publishing for the uplink path: many messages on the way, each confirmed only by its own PubAck.

A message alone is published alone; a backlog goes as atomic batches, one fsync each. A batch costs NATS 1.4 ms of CPU
before its first message: while one is on the way the next one grows, but for no longer than `GROW_SECONDS`. A batch
that JetStream refuses (a duplicate inside it, error 10201, refuses the whole) is published again one by one with the
same ids, which JetStream deduplicates. What is not confirmed in time, or refused for a passing reason, is published
again for ever: the sender's own window bounds what waits here. With one unit on the way the order of submission is
kept, whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from parking_chassis.raw_inbox import RawInbox

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

BATCH_AT_LEAST = 10  # an atomic batch of some takes 3 ms, a message alone 0.5 ms: measured with fsync
BATCH_AT_MOST = 500
GROW_SECONDS = 0.1
UNITS_ON_THE_WAY = 20
CONFIRM_SECONDS = 5.0
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.25


def nobody() -> None:
    """Nobody waits for this message."""


class Publication(msgspec.Struct, frozen=True, gc=False):
    """One message; `confirmed` runs once it is durable.

    Without a `message_id` JetStream does not deduplicate it. `headers` are further NATS header lines, each ended by
    CRLF. The subject belongs to the one stream that this publisher serves, if it publishes atomic batches.
    """

    subject: str
    payload: bytes
    message_id: str | None
    confirmed: Callable[[], None] = nobody
    headers: bytes = b""


class _Unit(msgspec.Struct, gc=False):
    """What one PubAck answers: a publication, or an atomic batch of them."""

    publications: Sequence[Publication]
    sent_at: float


class _ApiError(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct, frozen=True):
    seq: int = 0
    error: _ApiError | None = None


_decode_ack = msgspec.json.Decoder(_PubAck).decode


class WindowedPublisher:
    """Publishes what is submitted, oldest first, until JetStream has confirmed it."""

    def __init__(self, client: Client, *, atomic: bool, units_on_the_way: int = UNITS_ON_THE_WAY) -> None:
        self._client = client
        self._atomic = atomic
        self._units_on_the_way = units_on_the_way
        self._paused = False
        self._is_growing = False
        self._waiting: deque[Publication] = deque()
        self._alone: deque[Publication] = deque()
        self._sent: dict[int, _Unit] = {}
        self._next_unit = 0
        self._inbox: RawInbox | None = None
        self._wake = asyncio.Event()
        self.refused: str | None = None

    @property
    def unconfirmed(self) -> int:
        """Messages submitted and not yet durable."""
        return len(self._waiting) + len(self._alone) + self.on_the_way

    @property
    def on_the_way(self) -> int:
        """Of these, messages that were sent."""
        return sum(len(unit.publications) for unit in self._sent.values())

    def submit(self, publication: Publication) -> None:
        """Take a message; its `confirmed` is called once it is durable."""
        self._waiting.append(publication)
        self._wake.set()

    async def publish_all(self, publications: Sequence[Publication]) -> None:
        """Submit messages, in order, and wait until every one is durable."""
        if not publications:
            return
        unconfirmed = len(publications)
        all_confirmed = asyncio.Event()

        def confirmed() -> None:
            nonlocal unconfirmed
            unconfirmed -= 1
            if unconfirmed == 0:
                all_confirmed.set()

        for publication in publications:
            self.submit(msgspec.structs.replace(publication, confirmed=confirmed))
        await all_confirmed.wait()

    async def run(self) -> None:
        """Publish for ever."""
        self._inbox = inbox = await RawInbox.open(self._client, self._on_ack)
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: until Python 3.12 it may swallow a cancellation.
                async with asyncio.timeout(GROW_SECONDS if self._is_growing else LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._take_back_unanswered()
            if self._client.is_connected and not self._paused:
                commands = list(self._take_units(inbox.prefix))
                if commands:
                    await inbox.write(b"".join(commands))

    def _take_units(self, prefix: bytes) -> Iterable[bytes]:
        now = asyncio.get_running_loop().time()
        self._is_growing = False
        while (self._alone or self._waiting) and len(self._sent) < self._units_on_the_way:
            if self._alone:
                taken: Sequence[Publication] = (self._alone.popleft(),)
            elif self._atomic and len(self._waiting) >= BATCH_AT_LEAST:
                self._is_growing = len(self._waiting) < BATCH_AT_MOST and self._has_batch_since(now - GROW_SECONDS)
                if self._is_growing:
                    return
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_AT_MOST))]
            else:
                taken = (self._waiting.popleft(),)
            self._next_unit = number = self._next_unit + 1
            self._sent[number] = _Unit(taken, now)
            yield from _encode_unit(taken, b"%b.%d" % (prefix, number), number)

    def _has_batch_since(self, moment: float) -> bool:
        return any(unit.sent_at > moment and len(unit.publications) > 1 for unit in self._sent.values())

    def _on_ack(self, subject: bytes, _reply: bytes, data: bytes, headers: bytes | None) -> None:
        number = self._inbox.token_of(subject) if self._inbox is not None else None
        unit = self._sent.pop(number, None) if number is not None else None
        if unit is None:
            return
        self._wake.set()
        if headers is not None or not data:
            self._take_back(unit, "no JetStream stream answers")
            return
        answer = _decode_ack(data)
        if answer.error is not None:
            self._take_back(unit, f"{answer.error.err_code}: {answer.error.description}")
            return
        self.refused = None
        for publication in unit.publications:
            publication.confirmed()

    def _take_back(self, unit: _Unit, why: str) -> None:
        """Publish a refused unit again: a batch message by message at once, a single message after a pause."""
        self._alone.extendleft(reversed(unit.publications))
        if len(unit.publications) > 1:
            return
        if self.refused != why:
            log.warning("publish_refused", subject=unit.publications[0].subject, why=why)
        self.refused = why
        self._paused = True
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._paused = False
        self._wake.set()

    def _take_back_unanswered(self) -> None:
        """A PubAck that never came: the message may be durable or not, so publish it again with the same id."""
        late = asyncio.get_running_loop().time() - CONFIRM_SECONDS
        # From the newest to the oldest: each goes in front of those taken back before it.
        for number in sorted((number for number, unit in self._sent.items() if unit.sent_at < late), reverse=True):
            self._alone.extendleft(reversed(self._sent.pop(number).publications))


def _encode_unit(publications: Sequence[Publication], reply: bytes, number: int) -> Iterable[bytes]:
    if len(publications) == 1:
        yield _encode(publications[0], reply, b"")
        return
    # The reply's inbox is unique to this process, and so is the batch's name.
    batch = b"%b-%d" % (reply[-16:].replace(b".", b"-"), number)
    last = len(publications)
    for sequence, publication in enumerate(publications, 1):
        headers = b"Nats-Batch-Id: %b\r\nNats-Batch-Sequence: %d\r\n" % (batch, sequence)
        if sequence == last:
            yield _encode(publication, reply, headers + b"Nats-Batch-Commit: 1\r\n")
        else:
            yield _encode(publication, b"", headers)


def _encode(publication: Publication, reply: bytes, batch_headers: bytes) -> bytes:
    headers = publication.headers + batch_headers
    if publication.message_id is not None:
        headers = b"Nats-Msg-Id: %b\r\n%b" % (publication.message_id.encode(), headers)
    payload = publication.payload
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (publication.subject.encode(), reply, len(payload), payload)
    block = b"NATS/1.0\r\n%b\r\n" % headers
    size = len(block)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        publication.subject.encode(), reply, size, size + len(payload), block, payload,
    )  # fmt: skip
