"""What a drain must find stored, shown and published: each kind of damage is seen."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from load.filling import insert_readings
from load.stored import check_stored, mark_beginning
from load.traffic import Traffic
from parkstream.errors import OperatorError
from parkstream.streams import connect as connect_nats
from stack.servers import NatsAccount

EUI = "5a00000000000001"
SENT = Traffic(uplinks=2, messages=[], f_cnts={EUI: [1, 2]}, occupied={})
READING = """
    INSERT INTO occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port,
                                           payload)
    SELECT $1, $2, $3, unnest($4::int[]), $3, $3, 1, ''
"""
CHANGE = """
    INSERT INTO occupancy.state_changes (tenant_id, space_id, version, previous, state, layer, reason, source, cause,
                                         occurred_at, changed_at)
    VALUES ($1, $1, 2, 'free', 'occupied', 'sensor', '', 'uplink', 'made', $2, $2)
"""


@pytest.mark.parametrize(
    ("stored", "occupied", "changed", "complaint"),
    [
        ([1, 2], {}, False, None),
        ([1], {}, False, "other readings than they have sent"),
        ([1, 2, 2], {}, False, "other readings than they have sent"),
        ([1, 2, 3], {}, False, "other readings than they have sent"),
        ([1, 2], {EUI: True}, False, "do not show what their sensor said last"),
        ([1, 2], {}, True, "1 changes are in the database, but 0 events in SPACES"),
    ],
)
async def test_a_drain_that_lost_or_doubled_something_has_no_figure(
    database: str,
    nats_account: NatsAccount,
    stored: list[int],
    occupied: dict[str, bool],
    changed: bool,
    complaint: str | None,
) -> None:
    nats, connection = await connect_nats(nats_account.url), await asyncpg.connect(database)
    try:
        beginning = await mark_beginning(nats)
        tenant_id, now = uuid4(), datetime.now(UTC)
        await connection.execute(READING, tenant_id, EUI, now, stored)
        if changed:
            await connection.execute(CHANGE, tenant_id, now)
        traffic = Traffic(SENT.uplinks, SENT.messages, SENT.f_cnts, occupied)
        if complaint is None:
            await check_stored(connection, nats, traffic, beginning)
        else:
            with pytest.raises(OperatorError, match=complaint):
                await check_stored(connection, nats, traffic, beginning)
    finally:
        await nats.close()
        await connection.close()


async def test_the_past_is_filled_in_day_by_day_each_into_its_partition(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        tenant_id, now = uuid4(), datetime.now(UTC)
        for number in range(10):
            await connection.execute(READING, tenant_id, f"{number:016x}", now, [1])
        made = await insert_readings(connection, 120, 4, lambda _count: None)
        days = await connection.fetch(
            "SELECT tableoid::regclass::text AS partition, count(*) AS readings FROM occupancy.sensor_readings "
            "WHERE session_at < $1 GROUP BY 1 ORDER BY 1",
            now,
        )
    finally:
        await connection.close()
    assert made == 120
    assert [row["readings"] for row in days] == [30, 30, 30, 30]
    expected = [f"occupancy.sensor_readings_{now - timedelta(days=age):%Y%m%d}" for age in (3, 2, 1, 0)]
    assert [row["partition"] for row in days] == expected
