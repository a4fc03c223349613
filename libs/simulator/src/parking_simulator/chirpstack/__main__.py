"""`python -m parking_simulator.chirpstack`: the ChirpStack of the demo city, as `parkstream up` runs it.

It plays the displays of the city whose sensors `parkstream simulate --demo` plays, at the pace of the field, and is
silent until those speak. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio

import structlog

from parking_chassis.logs import configure_logs
from parking_chassis.process import run_service
from parking_simulator.chirpstack.city_network import network_of_city
from parking_simulator.chirpstack.double import ChirpStackDouble
from parking_simulator.chirpstack.downlinks import Timing
from parking_simulator.chirpstack.settings import DoubleSettings
from parking_simulator.city import DEMO_RUN, demo_city
from parking_simulator.fleet_plan import speaker_of
from parking_simulator.publisher import BrokerRefusedError

log = structlog.get_logger()


def main() -> None:
    """Run the double."""
    settings = DoubleSettings()
    configure_logs("chirpstack", settings)
    run_service(lambda stop: _serve(settings, stop), shutdown_seconds=settings.shutdown_seconds)


async def _serve(settings: DoubleSettings, stop: asyncio.Event) -> None:
    network = network_of_city(demo_city(source=settings.source), speaker_of(DEMO_RUN))
    double = ChirpStackDouble(
        network,
        mqtt=settings.mqtt_url,
        mqtt_version=settings.mqtt_protocol,
        token=settings.chirpstack_token.get_secret_value(),
        port=settings.chirpstack_port,
        timing=Timing.as_in_the_field(),
        living=True,
    )
    try:
        async with double:
            log.info("network_served", url=double.url, devices=len(network.devices), gateways=len(network.gateways))
            await stop.wait()
    except BrokerRefusedError as error:
        raise SystemExit(f"the MQTT broker does not take us: {error}") from error


if __name__ == "__main__":
    main()
