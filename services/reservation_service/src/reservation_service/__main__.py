"""`python -m reservation_service`: connected, observed and stoppable; its commands and clock stand on this.

It answers nothing yet. `/ready` says whether its database schema and NATS can be reached.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless, nats_check, not_connected_yet
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service
from reservation_service.metrics import NATS_CONNECTED
from reservation_service.settings import Settings

SERVICE = "reservation_service"


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Show health at once and hold the connections until `stop`."""
    pool = await open_pool(settings, role=SERVICE)
    health = Health(SERVICE, version("reservation-service"))
    health.add_check("database", lambda: database_check(pool))
    health.add_check("nats", not_connected_yet)
    try:
        async with serve_health(health, settings):
            nats = await connect_nats_unless(stop, settings.nats_url, name=SERVICE)
            if nats is None:
                return
            health.add_check("nats", nats_check(nats))
            NATS_CONNECTED.set_function(lambda: nats.is_connected)
            await stop.wait()
            await nats.close()
    finally:
        await pool.close()


def main() -> None:
    """Run the service."""
    settings = Settings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
