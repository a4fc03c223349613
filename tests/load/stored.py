"""Whether what was sent is stored, once, and told: asked at the end of every drain, because a figure without it lies.

In: the traffic, and when and where it began. Out: nothing, or an OperatorError that says what is missing, stored
twice, shown wrongly or not published.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from nats.aio.client import Client

from load.traffic import Traffic
from parking_contracts.streams import SPACES
from parkstream.errors import OperatorError

READINGS = """
    SELECT dev_eui, array_agg(f_cnt ORDER BY f_cnt) AS f_cnts FROM occupancy.sensor_readings
    WHERE received_at >= $1 GROUP BY dev_eui
"""
SHOWN = "SELECT sensor_eui, sensor_occupied FROM occupancy.spaces WHERE sensor_eui IS NOT NULL AND deleted_at IS NULL"
CHANGES = "SELECT count(*) FROM occupancy.state_changes WHERE changed_at >= $1"
COUNT = "SELECT count(*) FROM occupancy.sensor_readings WHERE received_at >= $1"


@dataclass(frozen=True)
class Beginning:
    """When a burst began, and how many messages SPACES had then."""

    at: datetime
    spaces_sequence: int


async def mark_beginning(nats: Client) -> Beginning:
    """Now."""
    return Beginning(datetime.now(UTC), await last_sequence(nats, SPACES.name))


async def last_sequence(nats: Client, stream: str) -> int:
    """How many messages a stream has had."""
    return (await nats.jetstream().stream_info(stream)).state.last_seq


async def count_readings(database: asyncpg.Connection, since: datetime) -> int:
    """How many readings have been stored."""
    count: int = await database.fetchval(COUNT, since)
    return count


async def check_stored(database: asyncpg.Connection, nats: Client, traffic: Traffic, beginning: Beginning) -> None:
    """Every uplink is one reading, every space shows its sensor's last word, every change was published."""
    stored = {row["dev_eui"]: row["f_cnts"] for row in await database.fetch(READINGS, beginning.at)}
    if wrong := [eui for eui in traffic.f_cnts.keys() | stored if stored.get(eui, []) != traffic.f_cnts.get(eui, [])]:
        eui = wrong[0]
        raise OperatorError(
            f"{len(wrong):,} devices have other readings than they have sent; {eui} sent "
            f"{traffic.f_cnts.get(eui, [])} and has {stored.get(eui, [])}."
        )
    shown = {row["sensor_eui"]: row["sensor_occupied"] for row in await database.fetch(SHOWN)}
    if wrong := [eui for eui, occupied in traffic.occupied.items() if shown.get(eui) != occupied]:
        raise OperatorError(
            f"{len(wrong):,} spaces do not show what their sensor said last, such as that of {wrong[0]}."
        )
    changes: int = await database.fetchval(CHANGES, beginning.at)
    published = await last_sequence(nats, SPACES.name) - beginning.spaces_sequence
    if published < changes:
        raise OperatorError(f"{changes:,} changes are in the database, but {published:,} events in SPACES.")
