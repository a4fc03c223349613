"""JetStream made equal to the declarations of `parking_contracts.streams`: streams and durable consumers.

In: a NATS URL, and on how many nodes of a cluster a stream is to be kept. Out: what was created or changed, by name.
Applying twice changes nothing; what carries another name is left alone, and nothing is ever deleted. A consumer has the
replicas of its stream.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from parking_chassis.nats_connection import remedy_of
from parking_chassis.settings import NatsSettings
from parking_contracts import subjects
from parking_contracts.permissions import OPERATOR
from parking_contracts.streams import STREAMS, Consumer, Stream
from parkstream.errors import OperatorError

RETENTION = {
    "work_queue": api.RetentionPolicy.WORK_QUEUE,
    "interest": api.RetentionPolicy.INTEREST,
    "limits": api.RetentionPolicy.LIMITS,
}
DISCARD = {"new": api.DiscardPolicy.NEW, "old": api.DiscardPolicy.OLD}
# Error codes of JetStream: too few nodes for so many replicas, one node that is no cluster, no room.
NO_SUITABLE_PEERS, NO_CLUSTER = 10005, 10074
PEER_OFFLINE = "peer offline"  # one of the reasons why peers do not suit
# What a cluster answers while it elects a leader.
NO_LEADER_SECONDS = 30.0
ANSWER_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.5
COPIED_SECONDS = 120.0
# In the metadata of a stream while `parkstream restore` fills it.
RESTORING = "parkstream_restoring"


async def apply_streams(
    nats_url: str, streams: Iterable[Stream] = STREAMS, *, replicas: int | None = None
) -> list[str]:
    """Create or update every stream and consumer; the names of those that were not as declared.

    With `replicas` every stream gets so many, whatever it had before, and this returns once the copies are complete.
    Without, a stream keeps what it has, and a new one gets one.
    """
    client = await connect(nats_url)
    changed: list[str] = []  # of all attempts: what one has changed is as declared for the next
    try:
        await _while_electing(client, lambda: _apply(client, list(streams), replicas, changed))
        return list(dict.fromkeys(changed))
    except APIError as error:
        raise _refused(error, replicas) from error
    except (NatsError, TimeoutError) as error:
        raise OperatorError(
            f"JetStream does not answer: {error or type(error).__name__}.", "Is it enabled for this NATS account?"
        ) from error
    finally:
        await client.close()


async def _apply(client: Client, streams: Sequence[Stream], replicas: int | None, changed: list[str]) -> None:
    context = client.jetstream(timeout=ANSWER_SECONDS)
    for stream in streams:
        await _apply_stream(context, stream, replicas, changed)
        for consumer in stream.consumers:
            await _apply_consumer(context, stream, consumer, changed)
    if replicas is not None and replicas > 1:
        await _until_copied(context, streams)


async def _while_electing(client: Client, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, again while a cluster elects new leaders, or holds a node that is starting for offline."""
    is_cluster = bool(client._server_info.get("cluster"))  # noqa: SLF001  what the server said when it was connected
    deadline = time.monotonic() + NO_LEADER_SECONDS
    while True:
        try:
            await work()
        except (APIError, NoRespondersError, TimeoutError) as error:
            if not is_cluster or not _may_pass(error) or time.monotonic() > deadline:
                raise
        else:
            return
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _may_pass(error: Exception) -> bool:
    """Whether it may be over in a moment: nobody leads or answers, or a node is missing that may be starting."""
    if isinstance(error, APIError) and not isinstance(error, ServiceUnavailableError):
        return error.err_code == NO_SUITABLE_PEERS and PEER_OFFLINE in (error.description or "")
    return True


async def _until_copied(context: JetStreamContext, streams: Sequence[Stream]) -> None:
    """Wait until every node that is to keep a stream has all of it."""
    deadline = time.monotonic() + COPIED_SECONDS
    while behind := (await replication(context, streams))[1]:
        if time.monotonic() > deadline:
            raise OperatorError(
                f"Not yet copied after {COPIED_SECONDS:.0f} s: {', '.join(behind)}.",
                "Look at the nodes' logs; the copying goes on, and `parkstream doctor` says when it is done.",
            )
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _refused(error: APIError, replicas: int | None) -> OperatorError:
    """What JetStream refused, in an operator's words."""
    if error.err_code == NO_CLUSTER:
        return OperatorError(
            f"This NATS server is no cluster, and cannot keep {replicas} replicas of a stream.",
            "Name the servers of a cluster in PARKSTREAM_NATS_URL (see docs/cluster.md), or use --replicas 1.",
        )
    if error.err_code == NO_SUITABLE_PEERS:
        reserved = sum(stream.max_bytes for stream in STREAMS) >> 30
        return OperatorError(
            f"The NATS cluster has no {replicas or 1} nodes that could keep a stream: {error.description}.",
            f"So many must be up, each with {reserved} GiB for JetStream (max_file_store); or ask for fewer.",
        )
    return OperatorError(f"JetStream refused: {error.description} (error {error.err_code}).")


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
            if consumer.name not in found
            or _differs(found[consumer.name], consumer_config(consumer).as_dict() | {"deliver_policy": None})
        ]
    return wrong


async def replication(context: JetStreamContext, streams: Iterable[Stream] = STREAMS) -> tuple[set[int], list[str]]:
    """How many replicas the streams have, and which node lacks what; no number when this is no cluster."""
    counts: set[int] = set()
    behind: list[str] = []
    for stream in streams:
        info = await context.stream_info(stream.name)
        if info.cluster is None or not info.cluster.name:
            continue
        replicas = info.config.num_replicas or 1
        counts.add(replicas)
        behind += _behind(stream.name, info.cluster, replicas)
        for consumer in await context.consumers_info(stream.name):
            if consumer.name in {declared.name for declared in stream.consumers}:
                behind += _behind(f"{stream.name}/{consumer.name}", consumer.cluster, replicas)
    return counts, behind


def _behind(what: str, cluster: api.ClusterInfo | None, replicas: int) -> list[str]:
    """The nodes that lack a part of a stream or of a consumer's state: `UPLINKS on nats-2`."""
    peers = (cluster.replicas if cluster is not None else None) or []
    missing = [f"{what} on another node"] if len(peers) + 1 < replicas else []
    return missing + [f"{what} on {peer.name}" for peer in peers if not peer.current]


async def connect(nats_url: str) -> Client:
    """A client, or `OperatorError` that says why there is none (the password is never printed)."""
    place = " and ".join(url.rpartition("@")[2] for url in nats_url.split(","))
    reported: list[Exception] = []
    client = Client()

    async def remember(error: Exception) -> None:
        reported.append(error)

    try:
        # Password and TLS files come from the environment, as the services have them.
        options = NatsSettings(nats_url=nats_url).nats_options(OPERATOR)
        await client.connect(
            **options | {"inbox_prefix": subjects.OPERATOR_INBOX},
            connect_timeout=5,
            allow_reconnect=False,
            # Without these two, a refused connection is tried sixty times, two seconds apart, all the same.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=remember,
        )
    except (OSError, TimeoutError, NatsError, ValueError) as error:
        if not client.is_closed:
            with contextlib.suppress(AssertionError):  # it never came to a connection
                await client.close()
        reason = reported[-1] if reported else error
        raise OperatorError(
            f"NATS at {place} cannot be reached: {reason or type(reason).__name__}",
            remedy_of(reason) or "Check PARKSTREAM_NATS_URL and that the server runs.",
        ) from error
    return client


async def _apply_stream(context: JetStreamContext, stream: Stream, replicas: int | None, changed: list[str]) -> None:
    """Noted in `changed` before it is asked for: an answer that does not come may have been a yes."""
    try:
        found = (await context.stream_info(stream.name)).config
    except NotFoundError:
        changed.append(stream.name)
        await context.add_stream(stream_config(stream, replicas or 1))
        return
    if RESTORING in (found.metadata or {}):
        raise OperatorError(
            f"Stream {stream.name} is half restored: `parkstream restore` was interrupted.",
            "Restore again, with --replace.",
        )
    wanted = stream_config(stream, replicas or found.num_replicas or 1)
    if _differs(found.as_dict(), wanted.as_dict()):
        changed.append(stream.name)
        await context.update_stream(wanted)


async def _apply_consumer(context: JetStreamContext, stream: Stream, consumer: Consumer, changed: list[str]) -> None:
    wanted = consumer_config(consumer)
    try:
        found = (await context.consumer_info(stream.name, consumer.name)).config
    except NotFoundError:
        found = None
    if found is not None:
        # Where it began is its past: in a restored stream, behind what it had acknowledged. JetStream keeps it so.
        wanted.deliver_policy, wanted.opt_start_seq = found.deliver_policy, found.opt_start_seq
        if not _differs(found.as_dict(), wanted.as_dict()):
            return
    changed.append(f"{stream.name}/{consumer.name}")
    await context.add_consumer(stream.name, wanted)


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
