"""NATS: reachable, with JetStream, streams and consumers as declared, large enough messages, writes synced."""

from collections.abc import AsyncIterator

import httpx
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from parking_contracts.streams import MAX_PAYLOAD_BYTES, STREAMS
from parkstream.checks import Finding
from parkstream.errors import OperatorError
from parkstream.streams import connect, not_as_declared, replication


async def check_bus(nats_url: str, monitor_url: str | None) -> AsyncIterator[Finding]:
    """Findings about the server at this URL; `monitor_url` (its HTTP monitoring) shows how it syncs."""
    try:
        client = await connect(nats_url)
    except OperatorError as error:
        yield Finding("NATS", error.problem, error.remedy)
        return
    try:
        small = client.max_payload < MAX_PAYLOAD_BYTES
        state = (
            f"{_version(client)} at {client.connected_url.netloc.rpartition('@')[2] if client.connected_url else ''}"
        )
        state += f", messages up to {client.max_payload >> 20} MiB"
        yield Finding("NATS", state, f"Set max_payload to {MAX_PAYLOAD_BYTES >> 20}MB" if small else "")
        yield await _streams(client)
        async for finding in _replication(client):
            yield finding
    finally:
        await client.close()
    yield await _sync(monitor_url)


def _version(client: Client) -> str:
    """`2.15.1`; what the client has is a value whose text is made for debugging."""
    version = client.connected_server_version
    return f"{version.major}.{version.minor}.{version.patch}"


async def _streams(client: Client) -> Finding:
    try:
        wrong = await not_as_declared(client.jetstream(timeout=5))
    except (APIError, NatsError, TimeoutError) as error:
        return Finding("JetStream", f"does not answer: {error}", "Enable JetStream for this account")
    if wrong:
        return Finding("streams", f"missing or different: {', '.join(wrong)}", "Run: parkstream migrate")
    consumers = sum(len(stream.consumers) for stream in STREAMS)
    return Finding("streams", f"{len(STREAMS)} streams and {consumers} consumers as declared")


async def _replication(client: Client) -> AsyncIterator[Finding]:
    """Of a cluster: whether another node has all that one node could take with it."""
    try:
        counts, behind = await replication(client.jetstream(timeout=5))
    except (APIError, NatsError, TimeoutError):
        return  # said of the streams already
    if not counts:
        return
    told = f"{' or '.join(map(str, sorted(counts)))} of each stream in the cluster"
    if behind:
        yield Finding(
            "replicas", f"{told}; incomplete: {', '.join(behind)}", "Is that node up? It catches up by itself"
        )
    elif counts == {1} or len(counts) > 1:
        yield Finding("replicas", told, "Run: parkstream migrate --replicas 3")
    else:
        yield Finding("replicas", f"{told}, all complete")


async def _sync(monitor_url: str | None) -> Finding:
    if monitor_url is None:
        return Finding("sync", "an external server; one node needs sync_interval: always, a cluster R3 streams")
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            config = (await http.get(f"{monitor_url}/jsz", params={"config": "true"})).json().get("config", {})
    except httpx.TransportError:
        return Finding("sync", f"not known: no monitoring at {monitor_url}", "Restart: parkstream up")
    if config.get("sync_always"):
        return Finding("sync", "every write")
    return Finding("sync", "later than acknowledged", "Set sync_interval: always")
