"""What a restore does not believe: what was true at the backup's moment alone, since the platform went on after it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from stack.backups import Place


class Restored:
    """A platform before its backup, and what became of it."""

    def __init__(self, old: Place, new: Place, into: Path) -> None:
        self._old, self._new, self._into = old, new, into
        self._opened: list[asyncpg.Connection] = []

    async def sql(self, place: Place) -> asyncpg.Connection:
        connection = await asyncpg.connect(place.database_url)
        self._opened.append(connection)
        return connection

    async def after(self, *changes: str) -> asyncpg.Connection:
        """Change the platform, back it up and restore it; a connection to what was restored."""
        before = await self.sql(self._old)
        for change in changes:
            await before.execute(change)
        await self._new.succeed("restore", str(await self._old.backup(self._into)))
        return await self.sql(self._new)

    async def close(self) -> None:
        for connection in self._opened:
            await connection.close()


@pytest.fixture
async def restored(old: Place, new: Place, tmp_path: Path) -> AsyncIterator[Restored]:
    restored = Restored(old, new, tmp_path)
    yield restored
    await restored.close()


def tuples(rows: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]


async def test_nobody_holds_a_display_or_knows_what_it_shows(restored: Restored) -> None:
    sql = await restored.after(
        """
        UPDATE downlink.displays
        SET desired_version = 7, sent_version = 7, shown_payload = 'red', is_right = true, due_at = NULL,
            claim = uuidv7(), claimed_until = now() + interval '1 hour'
        """
    )
    displays = await sql.fetch(
        """
        SELECT DISTINCT claim, claimed_until, sent_version, shown_payload, is_right, desired_version, due_at <= now()
        FROM downlink.displays
        """
    )
    assert tuples(displays) == [(None, None, 0, None, None, 7, True)]


async def test_displays_are_told_one_after_the_other_and_leave_air_time_to_others(restored: Restored) -> None:
    """Thirty a minute and gateway are allowed, and a hundred a minute and tenant: what happens now must find some."""
    sql = await restored.after(
        """
        INSERT INTO downlink.displays (tenant_id, dev_eui, codec, gateway_id)
        SELECT t.id, lpad(to_hex(n), 16, '0'), 'codec', lpad(to_hex(n % 10), 16, 'a')
        FROM gateway.tenants t, generate_series(1, 200) n
        """
    )
    a_minute = "gateway_id IS NOT NULL AND due_at < now() + interval '61 seconds'"
    gateways = await sql.fetch(f"SELECT count(*) FILTER (WHERE {a_minute}) FROM downlink.displays GROUP BY gateway_id")
    tenants = await sql.fetch(f"SELECT count(*) FILTER (WHERE {a_minute}) FROM downlink.displays GROUP BY tenant_id")
    assert max(row["count"] for row in gateways) <= 22
    assert max(row["count"] for row in tenants) <= 70
    assert min(row["count"] for row in tenants) >= 60
    assert await sql.fetchval("SELECT count(*) FROM downlink.displays WHERE due_at IS NULL") == 0


async def test_a_display_for_which_a_command_waits_has_its_turn_at_once(restored: Restored) -> None:
    sql = await restored.after(
        """
        INSERT INTO downlink.displays (tenant_id, dev_eui, codec)
        SELECT t.id, lpad(to_hex(n), 16, '0'), 'codec' FROM gateway.tenants t, generate_series(1, 200) n
        """,
        """
        INSERT INTO downlink.downlinks (tenant_id, dev_eui, kind, f_port, payload, expires_at)
        SELECT id, lpad(to_hex(200), 16, '0'), 'custom', 15, 'red', now() + interval '1 hour' FROM gateway.tenants
        """,
    )
    waiting = await sql.fetch(
        "SELECT dev_eui = lpad(to_hex(200), 16, '0') AS has_one, due_at <= now() AS is_due FROM downlink.displays"
    )
    assert {row["is_due"] for row in waiting if row["has_one"]} == {True}
    assert sum(row["is_due"] for row in waiting) < len(waiting) / 10


async def test_commands_on_their_way_are_not_taken_for_what_was_sent_later(restored: Restored) -> None:
    sql = await restored.after(
        """
        INSERT INTO downlink.downlinks
            (tenant_id, dev_eui, kind, version, f_port, payload, status, tried_at, expires_at)
        SELECT t.id, 'd15b1a4000000001', kind, 1, 15, 'red', status, now(), now() + interval '1 hour'
        FROM gateway.tenants t, unnest('{state,counter,state,custom,custom}'::text[],
                                       '{queued,sent,transmitted,queued,sent}'::text[]) AS given (kind, status)
        """
    )
    commands = await sql.fetch(
        """
        SELECT DISTINCT d.kind, d.status, d.tried_at IS NULL, d.ended_at IS NULL, s.detail LIKE 'restored%'
        FROM downlink.downlinks d
        LEFT JOIN downlink.downlink_steps s ON (s.tenant_id, s.downlink_id) = (d.tenant_id, d.id)
        WHERE d.dev_eui = 'd15b1a4000000001' ORDER BY 1, 2
        """
    )
    assert tuples(commands) == [
        ("counter", "superseded", False, False, True),
        ("custom", "queued", True, True, None),
        ("custom", "sent", False, True, None),
        ("state", "superseded", False, False, True),
        ("state", "transmitted", False, True, None),
    ]


async def test_a_webhook_under_way_goes_out_in_its_old_place(restored: Restored) -> None:
    sql = await restored.after(
        """
        UPDATE gateway.webhook_deliveries
        SET state = 'pending', leased_until = now() + interval '1 hour', next_attempt_at = now() + interval '1 hour'
        """
    )
    deliveries = await sql.fetch(
        "SELECT DISTINCT leased_until, next_attempt_at = created_at, state FROM gateway.webhook_deliveries"
    )
    assert tuples(deliveries) == [(None, True, "pending")]


async def test_who_was_awaited_is_awaited_anew(restored: Restored) -> None:
    sql = await restored.after(
        """
        UPDATE reservation.reservations
        SET status = 'active', opened_at = now() - interval '1 day', checked_in_at = NULL
        """
    )
    rows = await sql.fetch("SELECT cleared_at > now() - interval '1 minute' AS anew FROM reservation.reservations")
    assert {row["anew"] for row in rows} == {True}


async def test_no_version_of_before_comes_again(restored: Restored) -> None:
    sql = await restored.after("UPDATE occupancy.spaces SET version = 5")
    for table in ("occupancy.spaces", "reservation.reservations"):
        versions = {row["version"] for row in await sql.fetch(f"SELECT version FROM {table}")}
        assert versions == {await sql.fetchval("SELECT max(number) FROM gateway.restores")}
