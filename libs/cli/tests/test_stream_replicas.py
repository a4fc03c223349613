"""Streams on a NATS cluster: as many replicas as asked for, kept when nothing is said, and plain words if not."""

from typing import Any

import pytest
from nats.js.errors import APIError, ServiceUnavailableError

from parking_contracts.streams import DEAD_LETTERS, STREAMS
from parkstream import streams
from parkstream.checks import Finding
from parkstream.checks.bus import check_bus
from parkstream.errors import OperatorError
from parkstream.streams import apply_streams, replication
from stack.nats_cluster import NatsCluster
from stack.servers import NatsAccount
from stack.waiting import eventually

pytestmark = pytest.mark.timeout(300)


async def told_of_replicas(url: str) -> Finding:
    """What `doctor` says of them; while a stream elects its leader, nothing."""

    async def told() -> Finding | None:
        return {finding.what: finding async for finding in check_bus(url, None)}.get("replicas")

    return await eventually(told, 30, interval=0.5)


async def test_replicas_are_made_changed_and_kept_when_nothing_is_said(nats_cluster: NatsCluster) -> None:
    url = nats_cluster.url
    assert {stream.name for stream in STREAMS} <= set(await apply_streams(url, replicas=3))
    assert await apply_streams(url) == []
    client = await nats_cluster.connect()
    assert await replication(client.jetstream()) == ({3}, [])
    await client.close()
    assert (await told_of_replicas(url)).well

    assert await apply_streams(url, (DEAD_LETTERS,), replicas=1) == [DEAD_LETTERS.name]
    assert "parkstream migrate --replicas 3" in (await told_of_replicas(url)).remedy
    assert await apply_streams(url, replicas=3) == [DEAD_LETTERS.name]
    assert (await told_of_replicas(url)).well
    with pytest.raises(OperatorError, match="no 5 nodes"):
        await apply_streams(url, replicas=5)


async def test_a_server_that_is_no_cluster_says_so(empty_nats_account: NatsAccount) -> None:
    with pytest.raises(OperatorError, match="is no cluster, and cannot keep 3 replicas"):
        await apply_streams(empty_nats_account.url, replicas=3)


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (APIError(code=400, err_code=10005, description="no suitable peers for placement, peer offline"), 2),
        (ServiceUnavailableError(code=503), 2),
        (APIError(code=400, err_code=10005, description="no suitable peers for placement, insufficient storage"), 1),
    ],
)
async def test_what_may_be_over_in_a_moment_is_tried_again(
    nats_cluster: NatsCluster, monkeypatch: pytest.MonkeyPatch, error: APIError, calls: int
):
    tried = 0

    async def apply(*given: Any) -> None:
        nonlocal tried
        tried += 1
        given[-1].append("all")
        if tried == 1:
            raise error

    monkeypatch.setattr(streams, "_apply", apply)
    if calls == 1:
        with pytest.raises(OperatorError, match="insufficient storage"):
            await apply_streams(nats_cluster.url, replicas=3)
    else:
        assert await apply_streams(nats_cluster.url, replicas=3) == ["all"]
    assert tried == calls
