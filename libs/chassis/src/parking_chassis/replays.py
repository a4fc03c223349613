"""Dead letters put back into the streams that this service owns, when api_gateway asks (`parking_contracts.replay`).

The letter is read here, by its number: who asks cannot say what is published. Its message id makes a repeated replay
harmless; the gateway deletes the letter once this has answered that JetStream has the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from parking_chassis.dead_letters import UNREADABLE
from parking_contracts import ingress, replay
from parking_contracts.errors import Accepted, DeadLetter, ErrorCode, Refusal, Reply
from parking_contracts.streams import DEAD_LETTERS, stream_of

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

_decode_request = msgspec.json.Decoder(replay.ReplayLetter).decode
_decode_letter = msgspec.json.Decoder(DeadLetter).decode


async def answer_replays(client: Client, owner: str) -> None:
    """Answer for ever; replicas share the requests."""
    subscription = await client.subscribe(replay.subject(owner), queue=owner)
    async for message in subscription.messages:
        try:
            answer = await _replay(client, owner, message.data)
        except (NatsError, TimeoutError) as error:
            answer = Refusal(code=ErrorCode.DEPENDENCY_UNAVAILABLE, message=f"JetStream does not take it: {error!r}")
        except UNREADABLE as error:
            answer = Refusal(code=ErrorCode.VALIDATION_ERROR, message=f"no dead letter: {error}")
        await message.respond(msgspec.json.encode(answer))


async def _replay(client: Client, owner: str, request: bytes) -> Reply:
    sequence = _decode_request(request).sequence
    jetstream = client.jetstream()
    try:
        stored = await jetstream.get_msg(DEAD_LETTERS.name, sequence, direct=True)
    except NotFoundError:
        return _refused(f"there is no dead letter {sequence} any more")
    letter = _decode_letter(stored.data or b"")
    if letter.origin != "jetstream" or letter.truncated:
        return _refused("it is not a whole message of a stream")
    try:
        stream = stream_of(letter.address)
    except LookupError as error:
        return _refused(str(error))
    # Its subject says who set it aside, which the bus has checked.
    service = (stored.subject or "").split(".")[-2]
    if stream not in replay.OWNED[owner] or service not in {consumer.name for consumer in stream.consumers}:
        return _refused(f"{service} reads nothing from {stream.name} that {owner} could put back")
    headers = {ingress.REPLAY: str(sequence), "Nats-Msg-Id": f"replay-{sequence}"}
    if letter.source:
        headers |= {ingress.SOURCE: letter.source, ingress.RECEIVED_AT: letter.received_at.isoformat()}
    await jetstream.publish(letter.address, letter.body, headers=headers)
    log.info("dead_letter_put_back", sequence=sequence, service=service, subject=letter.address)
    return Accepted()


def _refused(why: str) -> Refusal:
    return Refusal(code=ErrorCode.REPLAY_REFUSED, message=why)
