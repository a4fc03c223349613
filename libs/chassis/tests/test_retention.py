"""What is old goes in portions, each by itself, and nothing else goes."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from parking_chassis.retention import forget_old

OLD = "at < now() - $1::interval"
DAY = timedelta(days=1)


@pytest.fixture
async def sql(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A table with 1,000 old rows and 10 new ones, and a note of how many rows each statement took away."""
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        CREATE TABLE kept (at timestamptz NOT NULL);
        INSERT INTO kept SELECT now() - interval '2 days' FROM generate_series(1, 1000);
        INSERT INTO kept SELECT now() FROM generate_series(1, 10);
        CREATE TABLE taken (count bigint, transaction xid8 DEFAULT pg_current_xact_id());
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO taken SELECT count(*) FROM gone; RETURN NULL; END $$;
        CREATE TRIGGER note AFTER DELETE ON kept REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION note();
        """
    )
    yield connection
    await connection.close()


async def test_every_portion_is_a_transaction_of_its_own(sql: asyncpg.Connection) -> None:
    assert await forget_old(sql, "kept", OLD, DAY, portion=300) == 1000
    assert await sql.fetchval("SELECT count(*) FROM kept") == 10
    taken = await sql.fetch("SELECT count, transaction FROM taken")
    assert [row["count"] for row in taken] == [300, 300, 300, 100]
    assert len({row["transaction"] for row in taken}) == len(taken)


async def test_what_a_failure_leaves_is_the_next_rounds(sql: asyncpg.Connection) -> None:
    await sql.execute(
        """
        CREATE FUNCTION fail_later() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF (SELECT count(*) FROM taken) > 2 THEN RAISE 'enough'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER x AFTER DELETE ON kept FOR EACH STATEMENT EXECUTE FUNCTION fail_later();
        """
    )
    with pytest.raises(asyncpg.RaiseError):
        await forget_old(sql, "kept", OLD, DAY, portion=300)
    assert await sql.fetchval("SELECT count(*) FROM kept") == 410
    await sql.execute("DROP TRIGGER x ON kept")
    assert await forget_old(sql, "kept", OLD, DAY, portion=300) == 400
