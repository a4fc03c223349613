"""The engine's process: settings, resources, and everything that runs until SIGTERM."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from occupancy_engine import SCHEMA, SERVICE
from occupancy_engine.clocks import Clocks
from occupancy_engine.decoders import Decoders, load_profiles
from occupancy_engine.device_events import follow_devices
from occupancy_engine.settings import EngineSettings
from occupancy_engine.subscriptions import open_broker
from occupancy_engine.uplinks import Uplinks
from occupancy_engine.watermarks import Watermarks
from parking_chassis.clock import every
from parking_chassis.command_desk import broker_check, stop_heard
from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless, nats_check
from parking_chassis.outbox import OutboxRelay
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service, running
from parking_chassis.pull_consumer import PullConsumer
from parking_chassis.replays import answer_replays
from parking_chassis.windowed_publisher import WindowedPublisher
from parking_codecs.registry import load_registry
from parking_contracts.streams import UPLINKS


async def serve(settings: EngineSettings, stop: asyncio.Event) -> None:
    """Open what the engine stands on, then handle uplinks, commands and clocks until `stop`."""
    decoders = Decoders(load_registry(), load_profiles(settings.device_profiles_file))
    pool = await open_pool(settings, role=SERVICE)
    health = Health(SERVICE, version("occupancy-engine"))
    health.add_check("database", lambda: database_check(pool))
    health.await_checks("nats", "commands")
    health.add_warning("codecs", decoders.complaints)
    async with serve_health(health, settings):
        nats = await connect_nats_unless(stop, settings, name=SERVICE)
        if nats is None:
            await pool.close()
            return
        health.add_check("nats", nats_check(nats))
        consumer = PullConsumer(nats, UPLINKS.name, SERVICE, batch_size=settings.batch_messages)
        dead_letters = WindowedPublisher(nats, atomic=False)
        watermarks = Watermarks(pool, consumer, outage_seconds=settings.source_outage_seconds)
        uplinks = Uplinks(pool, consumer, dead_letters, decoders, watermarks)
        relay = OutboxRelay(pool, nats, schema=SCHEMA, source=f"/{SERVICE}")
        commands = await open_pool(settings, role=SERVICE, name="commands")
        broker = await open_broker(settings, nats, pool=pool, commands=commands, decoders=decoders)
        health.add_check("commands", broker_check(broker))
        try:
            async with running(
                *(dead_letters.run(), relay.run(), answer_replays(nats, SCHEMA)),
                every(settings.purge_seconds, stop, consumer.purge_acknowledged),
                *Clocks(pool, watermarks, decoders, settings).ticking(settings, stop, nats, relay),
            ):
                await asyncio.gather(uplinks.run(stop), follow_devices(pool, nats).run(stop))
        finally:
            await stop_heard(broker)
            await nats.close()
            await commands.close()
            await pool.close()


def main() -> None:
    """Run the service."""
    settings = EngineSettings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
