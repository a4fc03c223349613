"""A service that lives and does nothing yet: connected, observed and stoppable, so that its work can begin inside.

In: its name, its settings and its gauge. Out: a process whose `/ready` says whether its database schema and NATS can be
reached.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from prometheus_client import Gauge

from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless, nats_check, not_connected_yet
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service
from parking_chassis.settings import DatabaseSettings, ServiceSettings


class BareSettings(ServiceSettings, DatabaseSettings):
    """What such a service stands on: the bus and its own schema."""


def run_bare_service(service: str, settings: BareSettings, nats_connected: Gauge) -> None:
    """Run until SIGTERM. `service` is the name of the package and of the database role."""
    configure_logs(service, settings)
    run_service(
        lambda stop: _serve(service, settings, nats_connected, stop), shutdown_seconds=settings.shutdown_seconds
    )


async def _serve(service: str, settings: BareSettings, nats_connected: Gauge, stop: asyncio.Event) -> None:
    """Show health at once and hold the connections until `stop`."""
    pool = await open_pool(settings, role=service)
    health = Health(service, version(service.replace("_", "-")))
    health.add_check("database", lambda: database_check(pool))
    health.add_check("nats", not_connected_yet)
    try:
        async with serve_health(health, settings):
            nats = await connect_nats_unless(stop, settings.nats_url, name=service)
            if nats is None:
                return
            health.add_check("nats", nats_check(nats))
            nats_connected.set_function(lambda: nats.is_connected)
            await stop.wait()
            await nats.close()
    finally:
        await pool.close()
