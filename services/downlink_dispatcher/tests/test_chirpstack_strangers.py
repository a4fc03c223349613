"""A tenant who makes up an uplink of somebody else's display: what he wishes never reaches it."""

import asyncpg

from parking_simulator.chirpstack import Application
from parking_simulator.chirpstack.displays import Busylight
from stack.chirpstack import APPLICATION_ID, TENANT_ID, StartChirpStack, network_of
from stack.servers import NatsAccount
from stack.services import RunService
from stack.signposts import LIGHT, Signs
from stack.waiting import eventually

STRANGERS_APPLICATION = "22222222-2222-4222-8222-222222222222"
GREEN = bytes.fromhex("0000ffff00")


async def test_a_stranger_who_claims_a_display_does_not_paint_it(
    chirpstack: StartChirpStack,
    run_service: RunService,
    service_env: dict[str, str],
    nats_account: NatsAccount,
    database: str,
) -> None:
    network = network_of(Busylight)
    network.applications[STRANGERS_APPLICATION] = Application(
        id=STRANGERS_APPLICATION, tenant_id=TENANT_ID, name="strangers"
    )
    (dev_eui,) = network.devices
    double = await chirpstack(network, mqtt=None)
    sql, bus = await asyncpg.connect(database), await nats_account.connect()
    owner = Signs(sql, bus, application=APPLICATION_ID)
    stranger = Signs(sql, bus, application=STRANGERS_APPLICATION)
    for tenant, state in ((owner, "free"), (stranger, "occupied")):
        await tenant.settle_in()
        heard = {"source": "chirpstack", "application_id": tenant.application, "profile_name": LIGHT}
        await tenant.put("occupancy.devices", dev_eui=dev_eui, **heard)
        await tenant.space(dev_eui, state)
    await run_service(
        "downlink_dispatcher",
        service_env
        | {"PARKSTREAM_CHIRPSTACK_URL": double.url, "PARKSTREAM_CHIRPSTACK_TOKEN": double.token}
        # Without the engine nobody takes up what the sync tells: the stranger's claim stands as he made it.
        | {"PARKSTREAM_DISPLAY_SWEEP_SECONDS": "1"},
    )

    async def has_waited() -> str | None:
        return await sql.fetchval(
            "SELECT last_error FROM downlink.downlinks WHERE tenant_id = $1 AND status = 'queued' AND last_error <> ''",
            stranger.tenant_id,
        )

    async def is_recorded() -> bool:
        return await sql.fetchval(
            "SELECT sent_version = desired_version FROM downlink.displays WHERE tenant_id = $1", owner.tenant_id
        )

    why = str(await eventually(has_waited, 20))
    assert "in the tenant's application" in why
    assert APPLICATION_ID not in why
    await eventually(is_recorded)
    assert [one.data for one in double.enqueued_for(dev_eui)] == [GREEN]
    await sql.close()
