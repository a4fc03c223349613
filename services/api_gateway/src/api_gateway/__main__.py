"""Runs the gateway: `python -m api_gateway`, until SIGTERM."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from api_gateway import VERSION
from api_gateway.app import build_app
from api_gateway.bus import Bus
from api_gateway.gateway import make_gateway
from api_gateway.http.closing import ClosingConnections
from api_gateway.http.serving import serve_api
from api_gateway.identity.bootstrap import Bootstrap
from api_gateway.identity.upkeep import EVERY_SECONDS, IdentityUpkeep
from api_gateway.ingress.door import announce_door
from api_gateway.live.feed import Feed
from api_gateway.settings import Settings
from parking_chassis.clock import every
from parking_chassis.health import Health
from parking_chassis.logs import configure_logs
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.process import run_service, running

SERVICE = "api_gateway"


async def serve(stop: asyncio.Event, settings: Settings) -> None:
    """Serve at once; what is away is waited for in the background, and /ready says so meanwhile."""
    pool = await open_pool(settings, role=f"{SERVICE}_request")
    batch_pool = await open_pool(settings, role=SERVICE)
    bus = Bus(settings)
    feed = Feed(batch_pool, settings)
    gateway = make_gateway(settings, pool, batch_pool, bus, feed)
    bootstrap = Bootstrap(batch_pool, settings, gateway.passwords)
    upkeep = IdentityUpkeep(batch_pool, keep_audit=timedelta(days=settings.keep_audit_days))
    health = Health(SERVICE, VERSION, stats=feed.stats)
    health.add_check("database", lambda: database_check(pool))
    health.add_check("nats", bus.check)
    health.add_check("bootstrap", bootstrap.check)
    health.add_check("live_events", feed.check)
    health.add_warning("webhooks", gateway.webhooks.check)
    app = build_app(gateway, health)

    async def follow() -> None:
        await feed.run(await bus.open())

    async with (
        running(
            follow(),
            bus.measure(stop),
            health.watch(),
            bootstrap.run(),
            every(EVERY_SECONDS, stop, upkeep.forget_what_is_old),
            announce_door(bus, pool),
            gateway.webhooks.run(),
        ),
        serve_api(ClosingConnections(app), settings),
    ):
        await stop.wait()
        feed.end_all()
        await asyncio.gather(gateway.webhooks.finish(), asyncio.sleep(settings.http_drain_seconds))
    gateway.passwords.close()
    await bus.close()
    await batch_pool.close()
    await pool.close()


def main() -> None:
    """Read the settings and run."""
    settings = Settings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(stop, settings), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
