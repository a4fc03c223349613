"""SIGTERM while everything flows: nothing lost, nothing doubled, what was accepted is answered, and an end in time.

One platform for the module; each service is stopped in the midst of its work and started again.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from chaos.proxy import Mode, Proxy
from parkstream.streams import apply_streams
from stack.brokers import Mosquitto
from stack.busy_platform import (
    DISPLAYS,
    SERVICES,
    SHOWN,
    SHUTDOWN_SECONDS,
    SPACES,
    Busy,
    Follower,
    Outside,
    end,
    meanwhile,
)
from stack.redelivery import redeliver_after
from stack.servers import fresh_database
from stack.service_process import Service
from stack.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), pytest.mark.slow]

NOT_IN_ORDER = re.compile(r"Traceback|service_cut_off|timeout graceful shutdown exceeded|never retrieved|was destroyed")


class Stage:
    """The platform, everybody around it, and a link to each server that can be cut for all services at once."""

    def __init__(self, outside: Outside, busy: Busy, links: dict[str, Proxy]) -> None:
        self.outside = outside
        self.busy = busy
        self.links = links


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    module_mosquitto: Mosquitto, postgres_server: Any, migrated_template: str, nats_pool: Any
) -> AsyncIterator[Stage]:
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        async with (
            Proxy(port_of(url)) as database,
            Proxy(port_of(account.url)) as bus,
            Outside.around(module_mosquitto) as outside,
            Busy.running(outside, through(database, url), through(bus, account.url)) as busy,
        ):
            await outside.settle_in(busy)
            for name in ("occupancy_engine", "downlink_dispatcher"):
                await redeliver_after(await account.connect(), 2, name)
            yield Stage(outside, busy, {"database": database, "nats": bus})
            busy.database_url = url
    await account.close()


def port_of(url: str) -> int:
    return int(re.findall(r":(\d+)(?=/|$)", url)[-1])


def through(proxy: Proxy, url: str) -> str:
    return re.sub(r":\d+(?=/|$)", f":{proxy.port}", url)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_ends_in_the_midst_of_its_work(stage: Stage, name: str):
    busy, outside, follower = stage.busy, stage.outside, Follower()
    service = busy.each[name]
    begun_at = service.log.stat().st_size
    async with meanwhile(outside.speak(pause=0.1), outside.book(busy.url), follower.follow(busy.url)):
        booked = len(outside.booked)
        await eventually(lambda: len(follower.seen) == SPACES and len(outside.booked) > booked + 10, 20)
        status, seconds, said = await end(service)
        booked, spoken = len(outside.booked), outside.f_cnt
        await service.start()
        await eventually(lambda: len(outside.booked) > booked + 10 and outside.f_cnt > spoken + 5, 20)
    written = service.log.read_bytes()[begun_at:].decode()
    assert status == 0, written[-3000:]
    assert not NOT_IN_ORDER.search(written), written[-3000:]
    heard = list(
        itertools.dropwhile(lambda status: status == httpx.codes.OK, said)
    )  # asked before the signal was heard
    assert set(heard) <= {httpx.codes.SERVICE_UNAVAILABLE}
    assert heard or name != "api_gateway"  # which goes on answering until whoever sends it clients has noticed
    print(f"{name} ended in {seconds:.2f} s")  # noqa: T201  shown with -rP
    assert seconds < SHUTDOWN_SECONDS
    await nothing_is_lost_or_doubled(stage, follower)


async def nothing_is_lost_or_doubled(stage: Stage, follower: Follower) -> None:
    busy, outside = stage.busy, stage.outside
    await outside.speak(rounds=1)  # the last round was cut off somewhere
    await busy.has_stored(set(outside.sent))
    assert outside.failures == []
    assert outside.broken == []
    rows = await busy.rows("SELECT id::text, email FROM reservation.reservations")
    assert outside.booked.keys() <= {row["id"] for row in rows}
    assert len({row["email"] for row in rows}) == len(rows)
    async with meanwhile(follower.follow(busy.url)):
        await everybody_agrees(busy, outside, follower)
    assert follower.resets == []
    assert {*follower.ends} <= {"in order", "ConnectError"}
    for space, told in follower.seen.items():
        assert all(after == before + 1 for before, after in itertools.pairwise(told)), (space, told)


async def everybody_agrees(busy: Busy, outside: Outside, follower: Follower) -> None:
    last = "occupied" if outside.f_cnt % 2 else "free"

    async def agreed() -> bool:
        spaces = {row["id"]: row for row in await busy.rows("SELECT id::text, state, version FROM occupancy.spaces")}
        assert {row["state"] for row in spaces.values()} == {last}
        assert {space: row["version"] for space, row in spaces.items()} == {
            space: told[-1] for space, told in follower.seen.items()
        }
        assert [outside.shown(number) for number in range(DISPLAYS)] == [SHOWN[last]] * DISPLAYS
        return True

    await eventually(agreed, 20, interval=0.1)


@pytest.mark.parametrize("away", ["database", "nats"])
async def test_every_service_ends_while_a_dependency_is_silent(stage: Stage, away: str):
    """A black hole is the worst of it: what refuses or resets is noticed at once. The same for one that just starts."""
    busy, outside = stage.busy, stage.outside
    begun_at = {service.module: service.log.stat().st_size for service in busy.each.values()}
    async with meanwhile(outside.speak(pause=0.1)):
        spoken = outside.f_cnt
        await eventually(lambda: outside.f_cnt > spoken + 5)
        stage.links[away].set_mode(Mode.BLACK_HOLE)
        spoken = outside.f_cnt
        await eventually(lambda: outside.f_cnt > spoken + 10)
        ends = await asyncio.gather(*(end(service) for service in busy.each.values()))
    if away == "nats":
        for service in busy.each.values():
            service.spawn()
        await asyncio.gather(*(eventually(lambda one=one: starts_again(one, begun_at)) for one in busy.each.values()))
        ends += await asyncio.gather(*(end(service) for service in busy.each.values()))
    stage.links[away].set_mode(Mode.PASS)
    await asyncio.gather(*(service.start() for service in busy.each.values()))
    for service, (status, seconds, _) in zip(itertools.cycle(busy.each.values()), ends, strict=False):
        print(f"{service.module} ended in {seconds:.2f} s with {status}")  # noqa: T201  shown with -rP
    for service, (status, _, _) in zip(itertools.cycle(busy.each.values()), ends, strict=False):
        written = service.log.read_bytes()[begun_at[service.module] :].decode()
        assert status == 0, (service.module, written[-3000:])
        assert not NOT_IN_ORDER.search(written), (service.module, written[-3000:])
    await busy.has_stored(set(outside.sent), 45)


def starts_again(service: Service, begun_at: dict[str, int]) -> bool:
    return b"service_starting" in service.log.read_bytes()[begun_at[service.module] :]
