"""While one batch is written the next begins: where they share devices, frames still keep their order."""

from collections import defaultdict
from datetime import timedelta
from uuid import UUID

from stack.platform import NOON, Platform, uplink
from stack.waiting import eventually

SECOND = timedelta(seconds=1)
DEVICES, FRAMES_EACH = 25, 160  # four batches, each with every device in it
END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'occupancy_engine' AND state <> 'idle'
"""


async def pour_over_a_stopped_engine(platform: Platform, engine) -> dict[UUID, str]:
    """A backlog in which every frame changes what is shown; spaces with their sensors."""
    await platform.settle_in()
    euis = [platform.new_eui() for _ in range(DEVICES)]
    spaces = {await platform.space(eui): eui for eui in euis}
    assert engine.stop() == 0
    await platform.publish(
        *(
            uplink(eui, n, n % 2 == 0, at=NOON + (n * DEVICES + place) * SECOND)
            for n in range(FRAMES_EACH)
            for place, eui in enumerate(euis)
        )
    )
    return spaces


async def assert_every_frame_showed(platform: Platform, spaces: dict[UUID, str]) -> None:
    """A late frame would mend its space's stays, and show nothing."""
    shown = defaultdict(list)
    for row in await platform.rows("SELECT space_id, cause FROM occupancy.state_changes ORDER BY space_id, version"):
        if row["cause"].startswith("uplink:"):
            shown[spaces[row["space_id"]]].append(row["cause"])
    assert shown == {eui: [f"uplink:{eui}:{n}" for n in range(FRAMES_EACH)] for eui in spaces.values()}


async def test_batches_that_share_their_devices_take_no_frame_for_a_late_one(
    platform: Platform, run_service, service_env
):
    engine = await run_service("occupancy_engine", service_env)
    spaces = await pour_over_a_stopped_engine(platform, engine)
    await engine.start()
    await eventually(platform.idle, 30)
    await assert_every_frame_showed(platform, spaces)


async def test_a_batch_that_fails_is_not_overtaken(platform: Platform, run_service, service_env):
    engine = await run_service("occupancy_engine", service_env)
    spaces = await pour_over_a_stopped_engine(platform, engine)
    await engine.start()
    ended = 0

    async def settled_in_spite_of_it() -> bool:
        nonlocal ended
        ended += len(await platform.rows(END_CONNECTIONS)) if ended < 6 else 0
        return await platform.idle()

    await eventually(settled_in_spite_of_it, 60, interval=0.05)
    assert ended > 0
    await assert_every_frame_showed(platform, spaces)
