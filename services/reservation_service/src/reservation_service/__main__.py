"""The service's process: settings, resources, and everything that runs until SIGTERM."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.metadata import version

from parking_chassis.batch_subscriber import BatchSubscriber
from parking_chassis.bus_measures import MEASURE_SECONDS, BusMeasures
from parking_chassis.clock import every
from parking_chassis.command_desk import broker_check, stop_heard
from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless, nats_check
from parking_chassis.outbox import OutboxRelay
from parking_chassis.outbox_measures import OutboxMeasures
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service, running
from parking_chassis.replays import answer_replays
from parking_contracts.streams import MEASURED_BY, SPACES
from reservation_service import SCHEMA, SERVICE
from reservation_service.clock import COUNT_SECONDS, Clock
from reservation_service.commands.desk import open_desk
from reservation_service.settings import Settings
from reservation_service.space_events import SpaceEvents


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Open what the service stands on, then answer commands, follow spaces and run the clock until `stop`."""
    rules = settings.rules()
    pool = await open_pool(settings, role=SERVICE)
    health = Health(SERVICE, version("reservation-service"))
    health.add_check("database", lambda: database_check(pool))
    health.await_checks("nats", "commands")
    async with serve_health(health, settings):
        nats = await connect_nats_unless(stop, settings, name=SERVICE)
        if nats is None:
            await pool.close()
            return
        health.add_check("nats", nats_check(nats))
        relay = OutboxRelay(pool, nats, schema=SCHEMA, source=f"/{SERVICE}")
        clock = Clock(pool, rules, keep_answers=timedelta(hours=settings.keep_reservation_answers_hours))
        spaces = BatchSubscriber(SERVICE, nats, SPACES, SpaceEvents(pool, rules).take, linger_seconds=0.05)
        broker = await open_desk(settings, pool, rules, clock)
        health.add_check("commands", broker_check(broker))
        try:
            async with running(
                relay.run(),
                answer_replays(nats, SCHEMA),
                every(settings.reservation_clock_seconds, stop, clock.run, name="settle_reservations"),
                every(settings.reservation_upkeep_seconds, stop, clock.keep_house),
                every(COUNT_SECONDS, stop, clock.count_live),
                every(MEASURE_SECONDS, stop, BusMeasures(nats, MEASURED_BY[SERVICE]).measure_bus),
                every(MEASURE_SECONDS, stop, OutboxMeasures(pool, relay, schema=SCHEMA).measure_outbox),
            ):
                await spaces.run(stop)
        finally:
            await stop_heard(broker)
            await nats.close()
            await pool.close()


def main() -> None:
    """Run the service."""
    settings = Settings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
