"""Migrations: once however many start together, whole or not at all, and loud when files and history disagree."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from parkstream.errors import OperatorError
from parkstream.migrate import migrate_database, read_migrations
from stack.waiting import eventually

FIRST = """-- owner: occupancy_engine
CREATE FUNCTION public.grade(n integer) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    -- it's a trap; for a splitter
    IF n > 1 THEN RETURN 'many;'; ELSE RETURN CASE n WHEN 1 THEN '100%' ELSE 'none' END; END IF;
END
$body$;
CREATE TABLE public.bays (n integer PRIMARY KEY, grade text GENERATED ALWAYS AS (n::text) STORED);
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    return tmp_path


async def value(database_url: str, sql: str):
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_second_run_applies_nothing(empty_database: str, directory: Path) -> None:
    assert await migrate_database(empty_database, directory) == ["0001_first.sql"]
    assert await migrate_database(empty_database, directory) == []
    assert await value(empty_database, "SELECT public.grade(1)") == "100%"
    assert await value(empty_database, "SELECT owner FROM parkstream.migrations") == "occupancy_engine"


async def test_eight_that_start_together_apply_it_once(empty_database: str, directory: Path) -> None:
    applied = await asyncio.gather(*(migrate_database(empty_database, directory) for _ in range(8)))
    assert max(applied, key=len) == ["0001_first.sql"]
    assert sum(map(len, applied)) == 1


async def test_a_failing_file_leaves_nothing_and_names_its_line(empty_database: str, directory: Path) -> None:
    (directory / "0002_second.sql").write_text("-- owner: x\nCREATE TABLE public.half ();\nSELECT nonsense;\n")
    with pytest.raises(OperatorError, match=r"0002_second.sql line 3 failed: column \"nonsense\""):
        await migrate_database(empty_database, directory)
    assert await value(empty_database, "SELECT to_regclass('public.half')") is None
    assert await value(empty_database, "SELECT count(*) FROM parkstream.migrations") == 1


async def test_a_file_may_not_end_its_transaction(empty_database: str, directory: Path) -> None:
    (directory / "0002_second.sql").write_text("-- owner: x\nSELECT 1;\nCOMMIT;\n")
    with pytest.raises(OperatorError, match=r"0002_second.sql ended its transaction itself"):
        await migrate_database(empty_database, directory)


async def test_a_changed_file_is_refused(empty_database: str, directory: Path) -> None:
    await migrate_database(empty_database, directory)
    (directory / "0001_first.sql").write_text(FIRST.replace("100%", "99%"))
    with pytest.raises(OperatorError, match=r"changed afterwards: 0001_first.sql"):
        await migrate_database(empty_database, directory)


async def test_line_ends_are_no_change(empty_database: str, directory: Path) -> None:
    await migrate_database(empty_database, directory)
    (directory / "0001_first.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert await migrate_database(empty_database, directory) == []


async def test_a_newer_database_and_a_number_in_between_are_refused(empty_database: str, directory: Path) -> None:
    (directory / "0003_third.sql").write_text("-- owner: x\nSELECT 1;\n")
    await migrate_database(empty_database, directory)
    (directory / "0002_late.sql").write_text("-- owner: x\nSELECT 1;\n")
    with pytest.raises(OperatorError, match=r"0002_late.sql comes before 0003_third.sql"):
        await migrate_database(empty_database, directory)
    (directory / "0002_late.sql").unlink()
    (directory / "0003_third.sql").unlink()
    with pytest.raises(OperatorError, match=r"this version does not know: 0003_third.sql"):
        await migrate_database(empty_database, directory)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("2_x.sql", "-- owner: x", "no migration's name"),
        ("0002_X.sql", "-- owner: x", "no migration's name"),
        ("0001_other.sql", "-- owner: x", "same number"),
        ("0002_x.sql", "SELECT 1;", "does not name its owner"),
    ],
)
def test_a_file_that_breaks_the_rules_is_named(directory: Path, name: str, text: str, message: str) -> None:
    (directory / name).write_text(text)
    with pytest.raises(OperatorError, match=message):
        read_migrations(directory)


async def test_a_killed_run_leaves_no_lock_behind(empty_database: str, directory: Path) -> None:
    (directory / "0002_slow.sql").write_text("-- owner: x\nCREATE TABLE public.half ();\nSELECT pg_sleep(600);\n")
    environment = {
        **os.environ,
        "PARKSTREAM_DATABASE_URL": empty_database,
        "PARKSTREAM_MIGRATIONS_DIR": str(directory),
    }
    program = "import asyncio, os; from parkstream.migrate import migrate_database as m; "
    program += "asyncio.run(m(os.environ['PARKSTREAM_DATABASE_URL']))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=environment)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    await eventually(lambda: value(empty_database, sleeping))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    (directory / "0002_slow.sql").write_text("-- owner: x\nCREATE TABLE public.half ();\n")
    assert await asyncio.wait_for(migrate_database(empty_database, directory), 10) == ["0002_slow.sql"]


async def test_an_unreachable_database_is_named_without_its_password(free_port) -> None:
    port = free_port()
    with pytest.raises(OperatorError, match=f"127.0.0.1:{port}/x cannot be reached") as caught:
        await migrate_database(f"postgresql://a:secret@127.0.0.1:{port}/x")
    assert "secret" not in str(caught.value)
