"""A cluster of three NATS nodes loses the one that leads UPLINKS, under load: every uplink is stored once, in order.

An engine that starts while nobody leads one of its consumers waits for a leader.

The longer proof, with every service twice and everything else that can go wrong, is `make chaos ARGS=--cluster`.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aiomqtt
import asyncpg
import pytest
from nats.errors import Error as NatsError

from parkstream.streams import apply_streams, replication
from stack.brokers import Mosquitto
from stack.nats_cluster import NatsCluster, Node
from stack.platform import APPLICATION, Platform
from stack.services import RunService
from stack.waiting import eventually

pytestmark = pytest.mark.timeout(300)

BAYS, FRAMES = 10, 250
IN_MID_FLOW = 400
RESERVED = "RESERVATIONS.occupancy_engine"
BEGINNING = datetime.now(UTC) - timedelta(hours=12)
STEP = timedelta(minutes=1)


def occupied(number: int, f_cnt: int) -> bool:
    """Stays of three frames, each bay on its own beat."""
    return (f_cnt + number) // 3 % 2 == 1


def event(eui: str, number: int, f_cnt: int) -> tuple[str, bytes]:
    """A Bosch TPS110's frame as ChirpStack writes it."""
    at = (BEGINNING + STEP * f_cnt).isoformat()
    body = {
        "deduplicationId": str(uuid4()),
        "time": at,
        "deviceInfo": {"applicationId": APPLICATION, "deviceProfileName": "Bosch TPS110", "devEui": eui},
        "devAddr": f"{number:08x}",
        "fCnt": f_cnt,
        "fPort": 1,
        "data": base64.b64encode(bytes([occupied(number, f_cnt)])).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "nsTime": at, "rssi": -80, "snr": 7.5}],
    }
    return f"application/{APPLICATION}/device/{eui}/event/up", json.dumps(body).encode()


def stays_in_order(number: int) -> list[tuple[datetime, datetime | None]]:
    """What one who hears every frame once and in order would write down."""
    stays: list[tuple[datetime, datetime | None]] = []
    was = False
    for f_cnt in range(FRAMES):
        at, now = BEGINNING + STEP * f_cnt, occupied(number, f_cnt)
        if now and not was:
            stays.append((at, None))
        elif was and not now:
            stays[-1] = (stays[-1][0], at)
        was = now
    return stays


@pytest.fixture
def environment(database: str, nats_cluster: NatsCluster, mosquitto: Mosquitto) -> dict[str, str]:
    return {
        "PARKSTREAM_DATABASE_URL": database,
        "PARKSTREAM_NATS_URL": nats_cluster.url,
        "PARKSTREAM_MQTT_URL": mosquitto.url,
    }


@pytest.fixture
async def street(
    database: str, nats_cluster: NatsCluster, environment: dict[str, str], run_service: RunService
) -> AsyncIterator[tuple[Platform, dict[str, UUID]]]:
    """Two engines and an ingestor on the cluster, and bays with sensors."""
    await apply_streams(nats_cluster.url, replicas=3)
    await asyncio.gather(
        run_service("occupancy_engine", environment),
        run_service("occupancy_engine", environment),
        run_service("uplink_ingestor", environment),
    )
    bus, sql = await nats_cluster.connect(), await asyncpg.connect(database)
    town = Platform(sql, bus)
    await town.redeliver_after(2)
    await town.settle_in()
    bays = {eui: await town.space(eui) for eui in (town.new_eui() for _ in range(BAYS))}
    yield town, bays
    await sql.close()
    await bus.close()


async def let_lead(cluster: NatsCluster, node: Node, consumer: str) -> None:
    """Make this node the leader of a consumer."""
    client = await cluster.connect()
    place = json.dumps({"placement": {"preferred": node.name}}).encode()

    async def leads() -> bool:
        if await cluster.leader_of(consumer) is node:
            return True
        with contextlib.suppress(NatsError, TimeoutError):
            await client.request(f"$JS.API.CONSUMER.LEADER.STEPDOWN.{consumer}", place, timeout=5)
        return False

    await eventually(leads, 20, interval=0.2, message=f"{node.name} leads {consumer}")
    await client.close()


async def speak(mosquitto: Mosquitto, euis: list[str]) -> None:
    """Every sensor's frames in turn."""
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, identifier="chirpstack") as mqtt:
        for f_cnt in range(FRAMES):
            frames = (event(eui, number, f_cnt) for number, eui in enumerate(euis))
            await asyncio.gather(*(mqtt.publish(*frame, qos=1) for frame in frames))


@pytest.mark.slow
async def test_the_leader_of_uplinks_is_killed_under_load_and_every_uplink_is_stored_once(
    street: tuple[Platform, dict[str, UUID]],
    nats_cluster: NatsCluster,
    mosquitto: Mosquitto,
    environment: dict[str, str],
    run_service: RunService,
) -> None:
    town, bays = street
    leader = await nats_cluster.leader_of("UPLINKS")
    await let_lead(nats_cluster, leader, RESERVED)
    speaking = asyncio.create_task(speak(mosquitto, list(bays)))

    async def stored(count: int) -> bool:
        return await town.database.fetchval("SELECT count(*) FROM occupancy.sensor_readings") >= count

    await eventually(lambda: stored(IN_MID_FLOW), 20)
    leader.kill()
    assert not await stored(BAYS * FRAMES)
    beginner = await run_service("occupancy_engine", environment, ready=False)
    await speaking
    leader.spawn()
    await eventually(lambda: stored(BAYS * FRAMES), 40, interval=0.2, message="every uplink is a reading")
    times = await town.rows("SELECT count(*) AS n FROM occupancy.sensor_readings GROUP BY dev_eui, session_at, f_cnt")
    assert [row["n"] for row in times] == [1] * BAYS * FRAMES
    for number, space_id in enumerate(bays.values()):
        assert await town.stays(space_id) == stays_in_order(number), number

    async def all_copied() -> bool:
        with contextlib.suppress(NatsError, TimeoutError):  # the node that came back may unsettle a leader
            return await replication(town.bus.jetstream()) == ({3}, [])
        return False

    await beginner.wait_ready()
    await eventually(all_copied, 30, interval=0.2, message="the node that came back has all")
