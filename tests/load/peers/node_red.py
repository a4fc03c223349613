"""Node-RED beside the platform: installed from its lock, run on loopback, and measured as the platform is.

In: the platform's Mosquitto and PostgreSQL, in which it has a database of its own. Out: a burst, worked off. It stores
each uplink by one INSERT, and acknowledges it to the broker before that: what it holds in memory is lost with it.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from load.consumption import look_at
from load.drain import Drained, OnProgress, Way, held
from load.provisioning import publish_all
from load.running_platform import RunningPlatform
from load.traffic import Traffic
from parking_simulator.rendering import Message
from parkstream.embedded import child, ports
from parkstream.errors import OperatorError
from stack.servers import scratch_directory
from stack.waiting import eventually

HERE = Path(__file__).resolve().parent / "nodered"
INSTALLED = Path(__file__).resolve().parents[3] / ".tools" / "node-red"
LOCKED = ("package.json", "package-lock.json")
TOPIC_PREFIX = "peer/"  # the platform does not listen to it
DATABASE = "node_red"
TABLE = """
    CREATE TABLE readings (
        id bigserial PRIMARY KEY, dev_eui text NOT NULL, dev_addr text NOT NULL, f_cnt bigint NOT NULL,
        f_port smallint NOT NULL, occurred_at timestamptz NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
        payload bytea NOT NULL, rssi smallint, snr real
    )
"""
READY = "Connected to broker"
READY_SECONDS = 60.0
INSTALL_SECONDS = 300.0
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 60.0  # without any progress
STOP_STEPS = ((signal.SIGTERM, 5.0),)


def install() -> str:
    """Node-RED as its lock says, unless it is there; answers its version. Raises OperatorError with the remedy."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        raise OperatorError(f"{' and '.join(missing)} cannot be found.", "Install Node.js 18.5 or newer, with npm.")
    if not all(_is_same(INSTALLED / name, HERE / name) for name in LOCKED):
        INSTALLED.mkdir(parents=True, exist_ok=True)
        (INSTALLED / LOCKED[-1]).unlink(missing_ok=True)
        shutil.copy(HERE / "package.json", INSTALLED)
        lock = shutil.copy(HERE / "package-lock.json", INSTALLED)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        done = subprocess.run(
            ["npm", "ci", *options], cwd=INSTALLED, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        if done.returncode != 0:
            Path(lock).unlink()  # it is what says that all is installed
            raise OperatorError(f"npm ci has failed:\n{done.stderr[-2000:]}", "It needs npm's registry, or a mirror.")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return f"Node-RED {_version_of('node-red')}, pg {_version_of('pg')}, Node.js {version.removeprefix('v')}"


@dataclass(frozen=True)
class NodeRed:
    """A running Node-RED; `processes` are those that an uplink of its touches."""

    platform: RunningPlatform
    database: asyncpg.Connection
    processes: dict[str, int]

    async def measure(self, way: Way, traffic: Traffic, on_progress: OnProgress) -> Drained:
        """Work off one burst, duplicates included, and check that every uplink is stored. Raises OperatorError."""
        await self.database.execute("TRUNCATE readings RESTART IDENTITY")
        messages = [Message(TOPIC_PREFIX + topic, payload) for topic, payload in traffic.messages]
        if way == "queued":
            with held(self.processes["node_red"]):
                await publish_all(self.platform, messages)
                before, began = look_at(self.processes), time.monotonic()
        else:
            before, began = look_at(self.processes), time.monotonic()
        publishing = asyncio.create_task(publish_all(self.platform, messages)) if way == "live" else None
        await self._worked_off(len(messages), on_progress)
        seconds, after = time.monotonic() - began, look_at(self.processes)
        if publishing is not None:
            await publishing
        stored = await self.database.fetchval("SELECT count(*) FROM (SELECT DISTINCT dev_eui, f_cnt FROM readings) r")
        if stored != traffic.uplinks:
            raise OperatorError(f"Node-RED has stored {stored:,} of {traffic.uplinks:,} uplinks.")
        return Drained(traffic.uplinks, seconds, after.cpu_since(before), after)

    async def _worked_off(self, goal: int, on_progress: OnProgress) -> None:
        """Wait until so many rows are committed; they are counted at the end alone."""
        most, moved_at = -1, time.monotonic()
        while True:
            begun: int = await self.database.fetchval("SELECT last_value FROM readings_id_seq")
            if begun >= goal and await self.database.fetchval("SELECT count(*) FROM readings") >= goal:
                return
            if begun != most:
                most, moved_at = begun, time.monotonic()
                on_progress(min(begun, goal))
            elif time.monotonic() - moved_at > PATIENCE_SECONDS:
                raise OperatorError(f"Node-RED has begun {begun:,} of {goal:,} rows and then nothing for a minute.")
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def node_red(platform: RunningPlatform, admin: asyncpg.Connection) -> AsyncIterator[NodeRed]:
    """Start it on the platform's servers; `admin` may make its database. It ends with the context."""
    await admin.execute(f"CREATE DATABASE {DATABASE}")
    url = f"{platform.connections.database_url.rpartition('/')[0]}/{DATABASE}"
    home = scratch_directory("node-red")
    database = await asyncpg.connect(url)
    process = None
    try:
        await database.execute(TABLE)
        process = _start(home, url, urlsplit(platform.connections.mqtt_url).port or 1883)
        log = home / "output.txt"
        await eventually(
            lambda: process.poll() is not None or READY in log.read_text(),
            READY_SECONDS,
            message="Node-RED at the broker",
        )
        if process.poll() is not None:
            raise OperatorError(f"Node-RED ended:\n{child.last_lines(log, 20)}")
        servers = {name: platform.processes[name] for name in ("postgres", "mosquitto")}
        yield NodeRed(platform, database, {"node_red": process.pid, **servers})
    finally:
        if process is not None:
            child.stop_process(process, STOP_STEPS)
        await database.close()
        shutil.rmtree(home, ignore_errors=True)


def _start(home: Path, database_url: str, mqtt_port: int) -> subprocess.Popen[bytes]:
    for name in ("settings.js", "flow.json"):
        shutil.copy(HERE / name, home)
    environment = os.environ | {
        "NODE_PATH": str(INSTALLED / "node_modules"),
        "PEER_HTTP_PORT": str(ports.free_port()),
        "PEER_MQTT_PORT": str(mqtt_port),
        "PEER_DATABASE_URL": database_url,
    }
    red = INSTALLED / "node_modules" / "node-red" / "red.js"
    arguments = ("--settings", home / "settings.js", "--userDir", home, home / "flow.json")
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*child.dying_with_us(signal.SIGKILL), shutil.which("node") or "node", red, *arguments],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_same(installed: Path, wanted: Path) -> bool:
    return installed.is_file() and installed.read_bytes() == wanted.read_bytes()


def _version_of(package: str) -> str:
    text = (INSTALLED / "node_modules" / package / "package.json").read_text(encoding="utf-8")
    return next(line.split('"')[3] for line in text.splitlines() if line.strip().startswith('"version"'))
