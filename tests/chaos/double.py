"""The ChirpStack double with the towns' displays, as a process that can be killed.

In: how many bays, the seed, a broker, a port, and the port on which it tells what its displays show. Killed, it takes
the displays with it: started again, they join anew and show what they show after a power cut.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import Any

from chaos.towns import build_towns, network_of_towns
from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.publisher import BrokerRefusedError
from parkstream.embedded.ports import LOOPBACK

RETRY_SECONDS = 0.3
TOKEN = "chirpstack-admin-key"


def seen(shows: Any) -> str:
    """What a passer-by sees: a colour as six hex digits, or a word."""
    return f"{shows.red:02X}{shows.green:02X}{shows.blue:02X}" if isinstance(shows, Colour) else str(shows)


async def ask_displays(control_port: int) -> dict[str, str]:
    """What every display shows now, by DevEUI. Raises OSError when the double is away."""
    reader, writer = await asyncio.open_connection(LOOPBACK, control_port)
    try:
        shown: dict[str, str] = json.loads(await reader.read())
    finally:
        writer.close()
    return shown


async def _serve(options: argparse.Namespace) -> None:
    network = network_of_towns(build_towns(options.spaces, options.seed))
    double = ChirpStackDouble(
        network, mqtt=options.mqtt, mqtt_version=options.mqtt_version, token=TOKEN, port=options.port
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = {eui: seen(display.shows) for eui, display in double.displays.items()}
        writer.write(json.dumps(shown).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(tell, LOOPBACK, options.control_port):
        starting = asyncio.create_task(_start(double))
        await stop.wait()
        starting.cancel()
        await double.stop()


async def _start(double: ChirpStackDouble) -> None:
    """A broker that is away is waited for, as ChirpStack does."""
    while True:
        try:
            await double.start()
        except BrokerRefusedError:
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    for name in ("spaces", "seed", "port", "control-port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--mqtt", required=True)
    parser.add_argument("--mqtt-version", required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
