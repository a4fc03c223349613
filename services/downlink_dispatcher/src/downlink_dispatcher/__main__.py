"""The service's process: settings, resources, and everything that runs until SIGTERM."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from downlink_dispatcher import SCHEMA, SERVICE
from downlink_dispatcher.commands.desk import open_desk
from downlink_dispatcher.network.opening import open_network
from downlink_dispatcher.settings import Settings
from downlink_dispatcher.store import BY_INDEX, UNSYNCED
from downlink_dispatcher.wishing import Wishing
from downlink_dispatcher.work import Work
from parking_chassis.command_desk import broker_check, stop_heard
from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless, nats_check
from parking_chassis.outbox import OutboxRelay
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service, running
from parking_codecs.registry import load_registry


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Open what the service stands on, then follow spaces and devices, send, and answer commands until `stop`."""
    wishing = Wishing(load_registry(), request_reports=settings.display_request_reports)
    pool = await open_pool(settings, role=SERVICE, **BY_INDEX)
    sending = await open_pool(settings, role=SERVICE, name="sending", **BY_INDEX, **UNSYNCED)
    health = Health(SERVICE, version("downlink-dispatcher"))
    health.add_check("database", lambda: database_check(pool))
    health.await_checks("nats", "commands")
    health.add_warning("codecs", wishing.complaints)
    async with serve_health(health, settings), open_network(settings, pool) as network:
        health.add_warning("chirpstack", network.check)
        nats = await connect_nats_unless(stop, settings, name=SERVICE)
        if nats is None:
            await sending.close()
            await pool.close()
            return
        health.add_check("nats", nats_check(nats))
        # Of their own, so that what clients ask for and what displays wait for do not hold each other up.
        commands = await open_pool(settings, role=SERVICE, name="commands", **BY_INDEX)
        broker = await open_desk(settings, commands, wishing)
        health.add_check("commands", broker_check(broker))
        work = Work(settings, pool, sending, nats, wishing, network)
        for name, check in work.warnings():
            health.add_warning(name, check)
        relay = OutboxRelay(pool, nats, schema=SCHEMA, source=f"/{SERVICE}")
        try:
            async with running(relay.run(), *work.beside(stop, relay)):
                await work.run(stop)
        finally:
            await stop_heard(broker)
            await nats.close()
            for each in (commands, sending, pool):
                await each.close()


def main() -> None:
    """Run the service."""
    settings = Settings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
