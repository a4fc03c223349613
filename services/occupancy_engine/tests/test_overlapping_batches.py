"""While one batch is written the next begins: where they share devices, frames still keep their order."""

from collections import defaultdict
from datetime import timedelta

from stack.platform import NOON, Platform, uplink
from stack.waiting import eventually

SECOND = timedelta(seconds=1)
DEVICES, FRAMES_EACH = 25, 160  # four batches, each with every device in it


async def test_batches_that_share_their_devices_take_no_frame_for_a_late_one(
    platform: Platform, run_service, service_env
):
    engine = await run_service("occupancy_engine", service_env)
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

    await engine.start()
    await eventually(platform.idle, 30)

    shown = defaultdict(list)
    for row in await platform.rows("SELECT space_id, cause FROM occupancy.state_changes ORDER BY space_id, version"):
        if row["cause"].startswith("uplink:"):
            shown[spaces[row["space_id"]]].append(row["cause"])
    # A late frame would mend its space's stays, and show nothing: every frame here changed what is shown.
    assert shown == {eui: [f"uplink:{eui}:{n}" for n in range(FRAMES_EACH)] for eui in euis}
