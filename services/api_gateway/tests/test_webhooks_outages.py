"""A database or a NATS that goes away and comes back: what happened meanwhile is sent, once."""

import uuid

import nats

from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack.redelivery import redeliver_after
from stack.waiting import eventually
from stack.webhook_events import QUICK, Street, make_hook
from stack.webhook_receiver import receiving

KEY = "pk_bootstrap01_" + "s" * 43


async def tenant_of(api) -> uuid.UUID:
    """Whose key it is."""
    return uuid.UUID((await api.get("/api/auth/me")).json()["tenant_id"])


async def test_the_database(run_service, private_postgres, nats_account, client_for) -> None:
    await migrate_database(private_postgres.url)
    environment = {
        "PARKSTREAM_DATABASE_URL": private_postgres.url,
        "PARKSTREAM_NATS_URL": nats_account.url,
        "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        **QUICK,
    }
    gateway = await run_service("api_gateway", environment)
    api = client_for(gateway)
    bus = await nats_account.connect()
    await redeliver_after(bus, 2, "api_gateway")
    street = Street(bus, await tenant_of(api))
    async with receiving() as receiver:
        hook = await make_hook(api, receiver.url)
        sent = [await street.change()]
        await hook.delivered(1)
        private_postgres.kill()
        sent += [await street.change() for _ in range(5)]
        await eventually(lambda: "webhook_intake" in gateway.log.read_text().partition("webhook_intake_started")[2], 20)
        private_postgres.start()
        await receiver.gets(6, within=40)
        await hook.delivered(6)
        assert sorted(receiver.ids) == sorted(sent)


async def test_nats(run_service, database, private_nats, client_for) -> None:
    await apply_streams(private_nats.login().url)
    environment = {
        "PARKSTREAM_DATABASE_URL": database,
        "PARKSTREAM_NATS_URL": private_nats.login().url,
        "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        **QUICK,
    }
    api = client_for(await run_service("api_gateway", environment))
    async with receiving() as receiver:
        hook = await make_hook(api, receiver.url)
        private_nats.kill()
        assert (await hook.post("test")).status_code == 202  # what is in the database needs no bus
        await receiver.gets(1)
        private_nats.start()
        bus = await nats.connect(private_nats.login().url)
        street = Street(bus, await tenant_of(api))
        event_id = await street.change()
        await receiver.gets(2, within=40)
        assert receiver.ids[1:] == [event_id]
        await bus.close()
