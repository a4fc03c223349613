"""What `parkstream backup` and `restore` refuse, and what an end half-way leaves: nothing that looks whole."""

import asyncio
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from parkstream.backup.manifest import MANIFEST, SUMS
from parkstream.errors import OperatorError
from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack.backups import Made, Place
from stack.waiting import eventually


def damage(made: Path, how: str) -> Path:
    """One kind of damage; what to name then."""
    part = made / "database" / "gateway.tenants.copy.gz"
    match how:
        case "a flipped bit":
            content = bytearray(part.read_bytes())
            content[-1] ^= 1
            part.write_bytes(content)
        case "a cut file":
            os.truncate(part, part.stat().st_size - 1)
        case "a missing file":
            part.unlink()
        case "no manifest":
            (made / MANIFEST).unlink()
        case "a changed manifest":
            (made / MANIFEST).write_bytes((made / MANIFEST).read_bytes().replace(b'"rows"', b'"sows"') + b" ")
        case "killed half-way":
            (made / MANIFEST).unlink()
            return made.rename(made.with_name(f"{made.name}.partial"))
        case "the folder of backups":
            return made.parent
        case "another format":
            rewrite(made, format=2)
        case "a newer version":
            newer = {"name": "9999_from_the_future.sql", "sha256": ""}
            rewrite(made, migrations=[*json.loads((made / MANIFEST).read_text())["migrations"], newer])
    return made


def rewrite(made: Path, **changed: Any) -> None:
    """Another manifest, as if it had been written so."""
    encoded = json.dumps(json.loads((made / MANIFEST).read_text()) | changed).encode()
    (made / MANIFEST).write_bytes(encoded)
    (made / SUMS).write_text(f"{hashlib.sha256(encoded).hexdigest()}  {MANIFEST}\n")


DAMAGE = {
    "a flipped bit": "damaged",
    "a cut file": "bytes instead of",
    "a missing file": "is missing",
    "no manifest": "not all of it",
    "a changed manifest": "changed or damaged",
    "killed half-way": "ended half-way",
    "the folder of backups": "Name one, such as the newest",
    "another format": "format 2",
    "a newer version": "does not know",
}


async def test_what_is_damaged_or_foreign_is_refused_before_anything_is_touched(made: Made, new: Place, tmp_path: Path):
    for number, (how, words) in enumerate(DAMAGE.items()):
        copy = tmp_path / str(number) / made.folder.name
        shutil.copytree(made.folder, copy)
        named = damage(copy, how)
        assert words in await new.refuse("restore", str(named)), how
        if how != "a newer version":
            assert words in await new.refuse("backup", "verify", str(named)), how
    sql = await asyncpg.connect(new.database_url)
    assert not await sql.fetchval("SELECT to_regnamespace('gateway') IS NOT NULL")
    await sql.close()


async def test_a_target_that_holds_a_platform_is_kept_unless_it_is_to_be_replaced(old: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    before = await old.rows()
    assert "not empty" in await old.refuse("restore", str(made))
    assert "not empty" in await old.refuse("restore", str(made), "--dry-run")
    result = await old.run("restore", str(made), "--replace")  # nobody answers the question
    assert result.exit_code == 1
    assert "for good?" in result.output
    assert await old.rows() == before
    sql = await asyncpg.connect(old.database_url)
    await sql.execute("UPDATE gateway.users SET name = 'somebody else'")
    await sql.close()
    await old.succeed("restore", str(made), "--replace", "--yes")
    after = await old.rows()
    assert after.pop("gateway.restores")
    before.pop("gateway.restores")
    assert after == before


async def test_a_target_in_use_is_refused(made: Made, new: Place):
    await migrate_database(new.database_url)
    engine = await asyncpg.connect(new.database_url, server_settings={"application_name": "occupancy_engine"})
    assert "occupancy_engine has the database open" in await new.refuse("restore", str(made.folder))
    await engine.close()
    await apply_streams(new.account.url)
    context = (await new.account.connect()).jetstream()
    subscription = await context.pull_subscribe_bind("downlink_dispatcher", "SPACES")
    waiting = asyncio.create_task(subscription.fetch(1, timeout=20))
    await eventually(lambda: waits(context))
    assert "downlink_dispatcher waits for messages of SPACES" in await new.refuse("restore", str(made.folder))
    waiting.cancel()


async def waits(context: Any) -> bool:
    return bool((await context.consumer_info("SPACES", "downlink_dispatcher")).num_waiting)


async def test_an_interrupted_restore_leaves_no_platform_and_can_be_begun_again(made: Made, new: Place):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED_AT_THE_STREAMS, str(made.folder)),
        env=os.environ | {"PARKSTREAM_DATABASE_URL": new.database_url, "PARKSTREAM_NATS_URL": new.account.url},
    )
    assert await process.wait() == -signal.SIGKILL
    sql = await asyncpg.connect(new.database_url)
    await eventually(lambda: sql.fetchval("SELECT to_regnamespace('gateway') IS NULL"))
    await sql.close()
    with pytest.raises(OperatorError, match="half restored"):
        await apply_streams(new.account.url)
    await new.succeed("restore", str(made.folder))
    assert (await new.rows())["gateway.tenants"] == made.rows["gateway.tenants"]
    assert await apply_streams(new.account.url) == []


# kill -9 after the first stream was begun, as an operator's machine may do it.
KILLED_AT_THE_STREAMS = """
import os, signal, sys
from parkstream.backup import bus_writing
begin = bus_writing.begin_stream
async def begin_and_be_killed(*arguments):
    await begin(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
bus_writing.begin_stream = begin_and_be_killed
from parkstream.main import app
sys.argv = ["parkstream", "restore", sys.argv[1]]
app()
"""


async def test_a_backup_that_finds_no_room_leaves_nothing_and_says_what_to_do(old: Place, tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", "backup", "--into", str(tmp_path)),
        env=os.environ | {"PARKSTREAM_DATABASE_URL": old.database_url, "PARKSTREAM_NATS_URL": old.account.url},
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"could not be written" in said
    assert b"Make room" in said
    assert b"Traceback" not in said
    assert list(os.scandir(tmp_path)) == []
