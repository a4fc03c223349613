"""`python -m uplink_ingestor`: ChirpStack's events from MQTT and INGRESS into JetStream, until SIGTERM."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from parking_chassis.bus_measures import MEASURE_SECONDS, BusMeasures
from parking_chassis.clock import every
from parking_chassis.health import Health, serve_health
from parking_chassis.logs import configure_logs
from parking_chassis.nats_connection import connect_nats_unless
from parking_chassis.process import run_service, running
from parking_contracts.streams import MEASURED_BY
from uplink_ingestor.ingest import SERVICE
from uplink_ingestor.service import Ingestor
from uplink_ingestor.settings import IngestorSettings


async def serve(settings: IngestorSettings, stop: asyncio.Event) -> None:
    """Show health at once, work as soon as NATS is there, and end in order."""
    ingestor: Ingestor | None = None

    def stats() -> Mapping[str, Any]:
        return ingestor.stats() if ingestor is not None else {}

    health = Health(SERVICE, version("uplink-ingestor"), stats=stats)
    health.await_checks("nats")
    async with serve_health(health, settings):
        nats = await connect_nats_unless(stop, settings, name=SERVICE)
        if nats is None:
            return
        ingestor = Ingestor(settings, nats)
        ingestor.add_checks(health)
        try:
            async with running(
                *ingestor.work(), every(MEASURE_SECONDS, stop, BusMeasures(nats, MEASURED_BY[SERVICE]).measure_bus)
            ):
                await stop.wait()
                await ingestor.settle()
        finally:
            await nats.close()


def main() -> None:
    """Run the service."""
    settings = IngestorSettings()
    configure_logs(SERVICE, settings)
    run_service(lambda stop: serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


if __name__ == "__main__":
    main()
