"""Two engines on one stream, and kill -9 in mid-flow: every uplink once, every stay right, every version once."""

import asyncio
import random
from collections import defaultdict
from datetime import timedelta

import msgspec

from occupancy_engine.domain.stays import Reading, fold
from parking_contracts import subjects
from parking_contracts.uplink import UplinkReceived
from stack.platform import NOON, Platform, uplink
from stack.waiting import eventually

SECOND = timedelta(seconds=1)
AT_ONCE = 200


def city_day(devices: int, frames_each: int, dice: random.Random) -> dict[str, list[UplinkReceived]]:
    """Frames per device in order; some devices join again half way."""
    days = {}
    for number in range(devices):
        eui = f"0101{number:012x}"
        joins_again = frames_each // 2 if number % 5 == 0 else frames_each
        days[eui] = [
            uplink(
                eui,
                n % joins_again,
                dice.random() < 0.5,
                at=NOON + n * 10 * SECOND,
                dev_addr=f"{number:04x}000{n // joins_again}",
            )
            for n in range(frames_each)
        ]
    return days


def disorder(days: dict[str, list[UplinkReceived]], dice: random.Random) -> list[UplinkReceived]:
    """Everything on one road: 5 % come late by up to a few minutes, 5 % come twice."""
    frames = sorted((frame for sent in days.values() for frame in sent), key=lambda one: one.received_at)
    frames += dice.sample(frames, len(frames) // 20)
    delays = {id(frame): 300 * SECOND * dice.random() for frame in dice.sample(frames, len(frames) // 20)}
    return sorted(frames, key=lambda one: one.received_at + delays.get(id(one), 0 * SECOND))


async def pour(platform: Platform, frames: list[UplinkReceived]) -> None:
    """Publish in order, many at once, without JetStream's deduplication: repetitions arrive."""
    for start in range(0, len(frames), AT_ONCE):
        for frame in frames[start : start + AT_ONCE]:
            await platform.bus.publish(subjects.uplink(frame.dev_eui), msgspec.json.encode(frame))
        await platform.bus.flush()


async def settled(platform: Platform, frames: int) -> bool:
    info = await platform.bus.jetstream().stream_info("UPLINKS")
    return info.state.last_seq >= frames and await platform.idle()


async def make_spaces(platform: Platform, days: dict[str, list[UplinkReceived]]) -> dict[str, object]:
    await platform.redeliver_after(2)
    await platform.settle_in()
    return {eui: await platform.space(eui) for eui in days}


async def assert_ledger(platform: Platform, days: dict[str, list[UplinkReceived]], spaces: dict[str, object]) -> None:
    """Sent against stored, stays against the pure fold, what is shown against the last word, versions one by one."""
    stored = defaultdict(list)
    for row in await platform.rows("SELECT dev_eui, occurred_at FROM occupancy.sensor_readings ORDER BY occurred_at"):
        stored[row["dev_eui"]].append(row["occurred_at"])
    assert stored == {eui: [frame.time for frame in sent] for eui, sent in days.items()}
    for eui, sent in days.items():
        told = [Reading((NOON, n), one.time, one.time, one.data == b"\x01") for n, one in enumerate(sent)]
        expected = [(stay.arrived_at, stay.departed_at) for stay in fold(told)]
        assert await platform.stays(spaces[eui]) == expected, eui
        assert await platform.state(spaces[eui]) == ("occupied" if told[-1].occupied else "free", "sensor")
    await assert_versions(platform)


async def assert_versions(platform: Platform) -> None:
    """On SPACES each space's versions come in order, without gap or repetition, each following from the one before."""
    versions, states = defaultdict(list), {}
    for message in await platform.published(f"parking.v1.space.{platform.tenant_id}.>"):
        event = msgspec.json.decode(message.data)
        view = event.get("space", event)
        space_id = view.get("space_id") or view["id"]
        versions[space_id].append(view["version"])
        assert event.get("previous", states.get(space_id)) == states.get(space_id)
        states[space_id] = view["state"]
    rows = await platform.rows("SELECT id, version, state FROM occupancy.spaces")
    assert versions == {str(row["id"]): list(range(1, row["version"] + 1)) for row in rows}
    assert states == {str(row["id"]): row["state"] for row in rows}
    changes = await platform.rows("SELECT space_id, version FROM occupancy.state_changes")
    assert len(changes) == len({tuple(row) for row in changes}) == sum(row["version"] - 1 for row in rows)


async def test_two_engines_share_a_burst_and_one_is_killed_in_it(platform: Platform, run_service, service_env):
    dice = random.Random(7)
    first = await run_service("occupancy_engine", service_env)
    second = await run_service("occupancy_engine", service_env)
    days = city_day(50, 100, dice)
    spaces = await make_spaces(platform, days)
    frames = disorder(days, dice)
    pouring = asyncio.create_task(pour(platform, frames))

    async def in_mid_flow() -> bool:
        return len(await platform.rows("SELECT 1 FROM occupancy.sensor_readings LIMIT 1500")) == 1500

    await eventually(in_mid_flow, 30)
    second.kill()
    await pouring
    await eventually(lambda: settled(platform, len(frames)), 90)
    await assert_ledger(platform, days, spaces)
    assert first.stop() == 0


async def test_the_only_engine_is_killed_again_and_again(platform: Platform, run_service, service_env):
    dice = random.Random(11)
    engine = await run_service("occupancy_engine", service_env | {"PARKSTREAM_BATCH_MESSAGES": "50"})
    days = city_day(20, 75, dice)
    spaces = await make_spaces(platform, days)
    frames = disorder(days, dice)
    await pour(platform, frames)
    for goal in (100, 700):

        async def so_many(goal: int = goal) -> bool:
            return len(await platform.rows(f"SELECT 1 FROM occupancy.sensor_readings LIMIT {goal}")) == goal

        await eventually(so_many, 30)
        engine.kill()
        await engine.start(ready=False)
    await eventually(lambda: settled(platform, len(frames)), 90)
    await assert_ledger(platform, days, spaces)
