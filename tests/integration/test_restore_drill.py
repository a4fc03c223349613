"""The drill: a platform is backed up while everybody uses it, lost, and put back elsewhere; then it is asked for all.

What was acknowledged before the backup began must be there, once. What came later may be lost, and whoever heard of it
must be told so.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from parking_codecs.display import Colour
from parking_contracts import streams
from parkstream.backup.bus_reading import read_span, span
from parkstream.streams import apply_streams
from stack.brokers import Mosquitto
from stack.busy_platform import DISPLAYS, SHOWN, SPACES, Busy, Follower, Outside, ask, meanwhile
from stack.http_client import http_client
from stack.servers import NatsAccount, fresh_database
from stack.waiting import eventually

pytestmark = pytest.mark.timeout(300)
RESTORED_VERSION = 1_700_000_000
LOST = Colour(0, 0, 255)  # what the lost platform told the displays last


async def parkstream(command: str, *arguments: str, database_url: str, nats_url: str) -> str:
    """The command line as a process of its own, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", command, *arguments),
        env=os.environ | {"PARKSTREAM_DATABASE_URL": database_url, "PARKSTREAM_NATS_URL": nats_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def acknowledged_frames(busy: Busy) -> set[tuple[str, int]]:
    """Every frame that the platform has taken: in UPLINKS or, from there, in the readings."""
    client = await nats.connect(busy.nats_url)
    now = await span(client, streams.UPLINKS)
    frames = set()
    async for page in read_span(client, "UPLINKS", now.first, now.last):
        for message in page:
            told = msgspec.json.decode(message.data)
            if "dev_eui" in told and told.get("f_cnt") is not None:
                frames.add((told["dev_eui"], told["f_cnt"]))
    await client.close()
    return frames | (await busy.readings()).keys()


@pytest.mark.slow
async def test_what_was_acknowledged_before_the_backup_is_there_after_the_loss_of_everything(
    mosquitto: Mosquitto,
    database: str,
    nats_account: NatsAccount,
    postgres_server: Any,
    nats_pool: Any,
    tmp_path: Path,
):
    async with Outside.around(mosquitto) as outside:
        before, beyond = Follower(), Follower()
        async with Busy.running(outside, database, nats_account.url) as old:
            await outside.settle_in(old)
            tokens = await old.log_in()
            async with meanwhile(outside.speak(), outside.book(old.url), beyond.follow(old.url)):
                async with meanwhile(before.follow(old.url)):
                    await eventually(lambda: len(outside.booked) > 20 and len(beyond.seen) == SPACES, 30)
                frames, booked = await acknowledged_frames(old), dict(outside.booked)
                versions = {space: told[-1] for space, told in before.seen.items()}
                at_the_backup, at = outside.f_cnt, beyond.position
                await parkstream("backup", "--into", str(tmp_path), database_url=database, nats_url=old.nats_url)
                during = outside.f_cnt - at_the_backup
                await eventually(lambda: beyond.position != at and outside.f_cnt > at_the_backup + during + 5, 20)
            await old.has_stored(set(outside.sent))  # the backup has cost nobody anything
            for service in old.each.values():
                service.kill()
            for display in outside.double.displays.values():
                display.tamper(LOST)
        assert outside.failures == []
        (made,) = (entry.path for entry in os.scandir(tmp_path))
        account = nats_pool.account()
        async for url in fresh_database(postgres_server, "template1"):
            await parkstream("restore", made, database_url=url, nats_url=account.url)
            assert await apply_streams(account.url) == []
            async with Busy.running(outside, url, account.url) as new:
                await everything_is_there(new, frames, booked)
                await people_are_known(new, tokens)
                await eventually(lambda: displays_agree(new, outside), 15, interval=0.2)
                async with meanwhile(before.follow(new.url), beyond.follow(new.url)):
                    await outside.speak(rounds=11)
                    await goes_on(new, outside, before, versions)
                    await eventually(lambda: beyond.resets, 10)
                assert before.resets == []
                assert "restored from a backup" in beyond.resets[0]
        await account.close()


async def everything_is_there(new: Busy, frames: set[tuple[str, int]], booked: dict[str, Any]) -> None:
    await new.has_stored(frames)
    kept = {str(row["id"]) for row in await new.rows("SELECT id FROM reservation.reservations")}
    assert booked.keys() <= kept


async def people_are_known(new: Busy, tokens: Any) -> None:
    """By password, by the session of before, and by key."""
    await new.log_in()
    async with http_client(base_url=new.url) as client:
        await ask(client, "/api/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    async with new.client() as client:
        assert len((await client.get("/api/v6/spaces")).json()["items"]) == SPACES


async def displays_agree(new: Busy, outside: Outside) -> bool:
    """Each shows its space's state, though what it was told last it was told by the platform that is lost."""
    states = {str(row["id"]): row["state"] for row in await new.rows("SELECT id, state FROM occupancy.spaces")}
    for number, space in enumerate(outside.spaces[:DISPLAYS]):
        assert outside.shown(number) == SHOWN[states[space]], (number, states[space])
    return True


async def goes_on(new: Busy, outside: Outside, before: Follower, versions: dict[str, int]) -> None:
    """New frames are handled; states, stays, displays and the follower agree with them, versions without a gap."""
    last = "occupied" if outside.f_cnt % 2 else "free"

    async def agreed() -> bool:
        spaces = {str(row["id"]): row for row in await new.rows("SELECT id, state, version FROM occupancy.spaces")}
        assert {row["state"] for row in spaces.values()} == {last}
        assert {space: row["version"] for space, row in spaces.items()} == {
            space: told[-1] for space, told in before.seen.items()
        }
        return await displays_agree(new, outside)

    await eventually(agreed, 30, interval=0.2)
    for space, told in before.seen.items():
        assert told[-1] > versions[space]
        leaps = [(earlier, after) for earlier, after in itertools.pairwise(told) if after != earlier + 1]
        assert len(leaps) == 1, (space, told)  # above everything that the lost platform can have told
        assert leaps[0][1] > RESTORED_VERSION > leaps[0][0]
    await stays_follow_the_readings(new)


async def stays_follow_the_readings(new: Busy) -> None:
    """A stay begins with each frame that saw a vehicle after one that saw none, and there is no other."""
    begun = await new.rows(
        """
        SELECT dev_eui, f_cnt FROM (
            SELECT dev_eui, f_cnt, occupied, lag(occupied) OVER (PARTITION BY dev_eui ORDER BY f_cnt) AS earlier
            FROM occupancy.sensor_readings WHERE space_id IS NOT NULL) r
        WHERE occupied AND earlier IS DISTINCT FROM true ORDER BY 1, 2
        """
    )
    stays = await new.rows("SELECT dev_eui, arrived_f_cnt AS f_cnt FROM occupancy.stays ORDER BY 1, 2")
    assert [tuple(row) for row in stays] == [tuple(row) for row in begun]
