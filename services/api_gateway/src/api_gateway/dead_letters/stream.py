"""The dead letters where they lie: in the DEAD_LETTERS stream, newest first, without a consumer.

A stream is read forwards only. To show the newest ones, the place where exactly so many remain is found by bisection
over the sequences: the server tells with each message how many matching ones follow.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import structlog
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import APIError, NotFoundError

from api_gateway.http.problems import refused, unavailable
from api_gateway.stored_messages import count_stored
from parking_chassis.direct_get import StoredMessage, read_stored
from parking_contracts import ingress, replay, streams, subjects
from parking_contracts.errors import DeadLetter, DeadLetterCode, ErrorCode, Refusal, Reply

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

STREAM = streams.DEAD_LETTERS.name
PUT_BACK_SECONDS = 10.0
_decode_letter = msgspec.json.Decoder(DeadLetter).decode
_decode_reply = msgspec.json.Decoder(Reply).decode


class LetterHead(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its body, which a list need not decode."""

    service: str
    code: DeadLetterCode
    detail: str
    origin: str
    address: str
    source: str = ""
    received_at: datetime
    failed_at: datetime
    attempts: int = 1
    size_bytes: int
    truncated: bool = False


_decode_head = msgspec.json.Decoder(LetterHead).decode


class ReplayRefusedError(Exception):
    """This letter cannot be replayed; the message says why."""


def letter_filter(service: str | None, code: str | None) -> str:
    """The subjects of the letters of one service and code; None: any."""
    return subjects.dead_letter(service or "*", code or "*")


async def newest_letters(
    client: Client, subject: str, *, before: int | None, limit: int
) -> tuple[int, list[tuple[int, LetterHead]]]:
    """How many letters match in all, and the `limit` newest (below the sequence `before`), newest first."""
    total = await count_stored(client, STREAM, sequence=1, subject=subject)
    passed = 0 if before is None else await count_stored(client, STREAM, sequence=before, subject=subject)
    if total <= passed:
        return total, []
    state = (await client.jetstream().stream_info(STREAM)).state
    low, high = max(state.first_seq, 1), before if before is not None else state.last_seq + 1
    start = await _where_so_many_remain(client, subject, passed + limit, low, high)
    letters: list[tuple[int, LetterHead]] = []
    while len(letters) < limit:
        found = await read_stored(client, STREAM, sequence=start, subject=subject, limit=limit - len(letters))
        letters += [(one.sequence, _decode_head(one.data)) for one in found if one.sequence < high]
        if not found or found[-1].remaining == 0 or found[-1].sequence >= high:
            break
        start = found[-1].sequence + 1
    return total, letters[::-1]


async def _where_so_many_remain(client: Client, subject: str, wanted: int, low: int, high: int) -> int:
    """The highest sequence from which at least `wanted` letters follow; `low` when there are fewer."""
    step = wanted
    while high - step > low and await count_stored(client, STREAM, sequence=high - step, subject=subject) < wanted:
        step *= 2
    floor, ceiling = max(high - step, low), high
    while ceiling - floor > 1:
        middle = (floor + ceiling) // 2
        if await count_stored(client, STREAM, sequence=middle, subject=subject) >= wanted:
            floor = middle
        else:
            ceiling = middle
    return floor


async def find_letter(client: Client, sequence: int) -> DeadLetter | None:
    """One letter, whole."""
    found: list[StoredMessage] = list(
        await read_stored(client, STREAM, sequence=sequence, subject=subjects.ALL_DEAD_LETTERS, limit=1)
    )
    return _decode_letter(found[0].data) if found and found[0].sequence == sequence else None


async def replay_letter(client: Client, sequence: int, letter: DeadLetter) -> str:
    """Have the original message published again, then delete the letter; the subject it went to.

    The message id makes a repeated replay harmless; the letter goes only after JetStream has confirmed the message.

    Raises:
        ReplayRefusedError: The body is incomplete, or nothing would take the message.
        ProblemError: Whoever owns the stream cannot be reached.
    """
    subject, headers = _destination(letter)
    jetstream = client.jetstream()
    if owner := _owner_of(subject):
        await _put_back(client, owner, sequence)
    else:
        headers |= {ingress.REPLAY: str(sequence), "Nats-Msg-Id": f"replay-{sequence}"}
        await jetstream.publish(subject, letter.body, headers=headers)
    try:
        await jetstream.delete_msg(STREAM, sequence)
    except (NotFoundError, APIError) as error:
        log.info("dead_letter_gone", sequence=sequence, why=repr(error))
    log.info("dead_letter_replayed", sequence=sequence, service=letter.service, subject=subject)
    return subject


def _owner_of(subject: str) -> str | None:
    try:
        return replay.owner_of(subject)
    except LookupError as error:
        raise ReplayRefusedError(f"no stream takes messages of {subject}") from error


async def _put_back(client: Client, owner: str, sequence: int) -> None:
    """Ask the owner of the stream, who reads the letter himself."""
    question = msgspec.json.encode(replay.ReplayLetter(sequence=sequence))
    try:
        answer = await client.request(replay.subject(owner), question, timeout=PUT_BACK_SECONDS)
    except (NoRespondersError, NatsTimeoutError) as error:
        raise unavailable(f"the {owner} service") from error
    reply = _decode_reply(answer.data)
    if isinstance(reply, Refusal):
        if reply.code is ErrorCode.REPLAY_REFUSED:
            raise ReplayRefusedError(reply.message)
        raise refused(reply)


def _destination(letter: DeadLetter) -> tuple[str, dict[str, str]]:
    if letter.truncated:
        raise ReplayRefusedError(
            f"only the first {len(letter.body)} of {letter.size_bytes} bytes were kept, so the message is incomplete"
        )
    receipt = {ingress.SOURCE: letter.source, ingress.RECEIVED_AT: letter.received_at.isoformat()}
    if letter.origin == "jetstream":
        return letter.address, receipt if letter.source else {}
    if not letter.address.isprintable():
        raise ReplayRefusedError("the topic holds control characters, which no header can carry")
    event = letter.address.rpartition("/")[2]
    if event not in subjects.EVENTS:
        raise ReplayRefusedError(f"the topic {letter.address[:200]!r} does not say which event this is")
    return subjects.ingress(event), {**receipt, ingress.TOPIC: letter.address}
