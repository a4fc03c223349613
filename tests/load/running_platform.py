"""A platform to be measured: `parkstream up` as anyone starts it, on free ports and a data directory of its own.

In: whether Mosquitto is the broker (otherwise `up` brings its own MQTT listener). Out: connections and process ids.
Every setting has its shipped default, but for the ports and what the caller names. All of it ends and is removed with
the context.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import msgspec

from load.shipped_mosquitto import shipped_configuration
from parking_simulator.publisher import MqttVersion
from parkstream.checks.services import ask_ready
from parkstream.embedded import child, places, ports
from parkstream.errors import OperatorError
from parkstream.settings import CONNECTIONS_FILE, Connections, StackSettings, read_settings
from stack.brokers import Mosquitto
from stack.servers import remove_abandoned_directories, scratch_directory

START_SECONDS = 120.0
POLL_SECONDS = 0.1
PORTS = tuple(name for name in StackSettings.model_fields if name.endswith("_port"))
STOP_STEPS = ((signal.SIGTERM, 20.0),)
# A ChirpStack that is not there: its double would hear every uplink, and its CPU is not the platform's.
NO_DOUBLE = {"PARKSTREAM_CHIRPSTACK_URL": "http://127.0.0.1:9", "PARKSTREAM_CHIRPSTACK_TOKEN": "none"}


class Broker(StrEnum):
    """Who stands between ChirpStack and the platform."""

    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


@dataclass(frozen=True)
class RunningPlatform:
    """Where everything is, and the process id of each service and server by name."""

    connections: Connections
    processes: dict[str, int]
    mqtt_version: MqttVersion


@asynccontextmanager
async def running_platform(
    *, mosquitto: bool, settings: Mapping[str, str] | None = None
) -> AsyncIterator[RunningPlatform]:
    """Start it, with other `settings` (environment variables) where given, and end it afterwards."""
    remove_abandoned_directories()
    home = scratch_directory("bench")
    try:
        with _broker(home, wanted=mosquitto) as broker:
            places_of_all = read_settings(data_dir=home / "data", **{name: ports.free_port() for name in PORTS})
            process = _start(home, _environment(places_of_all, broker) | dict(settings or {}))
            try:
                yield await _ready(home, places_of_all, process, broker)
            finally:
                child.stop_process(process, STOP_STEPS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _broker(home: Path, *, wanted: bool) -> Iterator[Mosquitto | None]:
    if not wanted:
        yield None
        return
    executable = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if executable is None:
        raise OperatorError("Mosquitto is not installed.", "apt-get install mosquitto, or leave --mosquitto away.")
    directory = places.make_private_dir(home / "mosquitto", places.server_account())
    broker = Mosquitto(executable, directory, configuration=shipped_configuration())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _environment(settings: StackSettings, broker: Mosquitto | None) -> dict[str, str]:
    """Ours, without any setting of a platform that the caller may run."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARKSTREAM_")}
    numbers = {f"PARKSTREAM_{name.upper()}": str(getattr(settings, name)) for name in PORTS}
    own = {"PARKSTREAM_DATA_DIR": str(settings.data_dir)} | ({"PARKSTREAM_MQTT_URL": broker.url} if broker else {})
    return inherited | numbers | own | NO_DOUBLE


def _start(home: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*child.dying_with_us(signal.SIGTERM), sys.executable, "-P", "-m", "parkstream.main", "up"],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def _ready(
    home: Path, settings: StackSettings, process: subprocess.Popen[bytes], broker: Mosquitto | None
) -> RunningPlatform:
    run = home / "data" / CONNECTIONS_FILE
    services = settings.health_ports().values()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client, asyncio.timeout(START_SECONDS):
            while not run.exists() or any([await ask_ready(client, port) for port in services]):
                if process.poll() is not None:
                    raise OperatorError(f"`parkstream up` ended:\n{child.last_lines(home / 'output.txt', 20)}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        said = child.last_lines(home / "output.txt", 20)
        raise OperatorError(f"`parkstream up` was not ready within {START_SECONDS:.0f} s:\n{said}") from None
    noted = json.loads((run.parent / "children.json").read_text(encoding="utf-8"))
    processes = {name: int(pid) for name, (pid, _born) in noted.items()}
    if broker is not None and broker.process is not None:
        processes["mosquitto"] = broker.process.pid
    return RunningPlatform(
        connections=msgspec.json.decode(run.read_bytes(), type=Connections),
        processes=processes,
        mqtt_version="5" if broker else "3.1.1",
    )
