"""What identity forgets by itself, as the role that runs it; who asks cannot make it forget the last month."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from api_gateway.identity.upkeep import IdentityUpkeep
from api_gateway.settings import Settings
from parking_chassis.postgres import open_pool


@pytest.fixture
async def pool(database: str):
    opened = await open_pool(Settings(database_url=database), role="api_gateway")
    yield opened
    await opened.close()


async def aged(pool: asyncpg.Pool, *days: int) -> None:
    """Entries of the audit log with their outcomes, so many days old."""
    for age in days:
        at = datetime.now(UTC) - timedelta(days=age)
        await pool.execute(
            """
            WITH entry AS (
                INSERT INTO gateway.audit_log (at, actor, action, path, request_id, address)
                VALUES ($1, 'anonymous', 'login', '/', 'r', '127.0.0.1') RETURNING id)
            INSERT INTO gateway.audit_outcomes (audit_id, status, at) SELECT id, 401, $1 FROM entry
            """,
            at,
        )


@pytest.mark.parametrize(("keep_days", "left"), [(730, 3), (90, 2), (0, 1)])
async def test_old_audit_entries_go_with_their_outcomes_and_a_month_always_stays(pool, keep_days: int, left: int):
    await aged(pool, 1, 60, 400)
    await IdentityUpkeep(pool, keep_audit=timedelta(days=keep_days)).forget_what_is_old()
    assert await pool.fetchval("SELECT count(*) FROM gateway.audit_log") == left
    assert await pool.fetchval("SELECT count(*) FROM gateway.audit_outcomes") == left


async def test_an_entry_can_be_neither_changed_nor_deleted(pool):
    await aged(pool, 400)
    for statement in ("DELETE FROM gateway.audit_log", "UPDATE gateway.audit_log SET actor = 'nobody'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
