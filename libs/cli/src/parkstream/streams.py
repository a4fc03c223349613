"""JetStream made equal to the declarations of `parking_contracts.streams`: streams and durable consumers.

In: a NATS URL. Out: what was created or changed, by name. Applying twice changes nothing; what carries another name
is left alone, and nothing is ever deleted.
"""

from collections.abc import Iterable

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from parking_contracts.streams import STREAMS, Consumer, Stream
from parkstream.errors import OperatorError

RETENTION = {
    "work_queue": api.RetentionPolicy.WORK_QUEUE,
    "interest": api.RetentionPolicy.INTEREST,
    "limits": api.RetentionPolicy.LIMITS,
}
DISCARD = {"new": api.DiscardPolicy.NEW, "old": api.DiscardPolicy.OLD}


async def apply_streams(nats_url: str, streams: Iterable[Stream] = STREAMS, *, replicas: int = 1) -> list[str]:
    """Create or update every stream and consumer; the names of those that were not as declared."""
    client = await connect(nats_url)
    try:
        context = client.jetstream(timeout=10)
        changed: list[str] = []
        for stream in streams:
            if await _apply_stream(context, stream, replicas):
                changed.append(stream.name)
            changed += [
                f"{stream.name}/{consumer.name}"
                for consumer in stream.consumers
                if await _apply_consumer(context, stream, consumer)
            ]
    except APIError as error:
        raise OperatorError(f"JetStream refused: {error.description} (error {error.err_code}).") from error
    except (NatsError, TimeoutError) as error:
        raise OperatorError(
            f"JetStream does not answer: {error or type(error).__name__}.", "Is it enabled for this NATS account?"
        ) from error
    else:
        return changed
    finally:
        await client.close()


async def not_as_declared(context: JetStreamContext, streams: Iterable[Stream] = STREAMS) -> list[str]:
    """What `apply_streams` would create or change, by name; nothing is touched."""
    wrong: list[str] = []
    for stream in streams:
        try:
            info = await context.stream_info(stream.name)
        except NotFoundError:
            wrong.append(stream.name)
            continue
        if _differs(info.config.as_dict(), stream_config(stream, info.config.num_replicas or 1).as_dict()):
            wrong.append(stream.name)
        found = {consumer.name: consumer.config.as_dict() for consumer in await context.consumers_info(stream.name)}
        wrong += [
            f"{stream.name}/{consumer.name}"
            for consumer in stream.consumers
            if consumer.name not in found or _differs(found[consumer.name], consumer_config(consumer).as_dict())
        ]
    return wrong


async def connect(nats_url: str) -> Client:
    """A client, or `OperatorError` that says why there is none (the password is never printed)."""
    place = nats_url.rpartition("@")[2]
    reported: list[Exception] = []

    async def remember(error: Exception) -> None:
        reported.append(error)

    try:
        return await nats.connect(
            nats_url,
            name="parkstream",
            connect_timeout=5,
            allow_reconnect=False,
            # Without these two, a refused connection is tried sixty times, two seconds apart, all the same.
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            error_cb=remember,
        )
    except (OSError, TimeoutError, NatsError, ValueError) as error:
        reason = reported[-1] if reported else error
        raise OperatorError(
            f"NATS at {place} cannot be reached: {reason or type(reason).__name__}",
            "Check PARKSTREAM_NATS_URL and that the server runs.",
        ) from error


async def _apply_stream(context: JetStreamContext, stream: Stream, replicas: int) -> bool:
    wanted = stream_config(stream, replicas)
    try:
        found = (await context.stream_info(stream.name)).config
    except NotFoundError:
        await context.add_stream(wanted)
        return True
    if not _differs(found.as_dict(), wanted.as_dict()):
        return False
    await context.update_stream(wanted)
    return True


async def _apply_consumer(context: JetStreamContext, stream: Stream, consumer: Consumer) -> bool:
    wanted = consumer_config(consumer)
    try:
        found = (await context.consumer_info(stream.name, consumer.name)).config
    except NotFoundError:
        found = None
    if found is not None and not _differs(found.as_dict(), wanted.as_dict()):
        return False
    await context.add_consumer(stream.name, wanted)
    return True


def stream_config(stream: Stream, replicas: int) -> api.StreamConfig:
    """The declaration in JetStream's terms."""
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RETENTION[stream.retention],
        discard=DISCARD[stream.discard],
        max_bytes=stream.max_bytes or -1,
        max_age=stream.max_age_seconds,
        duplicate_window=stream.duplicate_window_seconds,
        storage=api.StorageType.FILE,
        num_replicas=replicas,
        allow_atomic=stream.allow_atomic,
        allow_direct=True,
    )


def consumer_config(consumer: Consumer) -> api.ConsumerConfig:
    """The declaration in JetStream's terms: explicit acks, redelivered for ever."""
    return api.ConsumerConfig(
        durable_name=consumer.name,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_seconds,
        max_deliver=-1,
        max_ack_pending=consumer.max_ack_pending,
    )


def _differs(found: dict[str, object], wanted: dict[str, object]) -> bool:
    """Whether a declared value is not what the server has; a false flag and an absent one are the same."""
    return any((found.get(key) or None) != (value or None) for key, value in wanted.items() if value is not None)
