"""`parkstream up` as a real process: ready, restarted, refused, killed, ended; nothing is ever left running.

The five services are stand-ins here, found before the real ones through PYTHONPATH: they answer /ready and end on
SIGTERM. The servers, the supervision and the migrations are real.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest

from parkstream.embedded import child, places, ports
from parkstream.settings import CONNECTIONS_FILE, Connections, StackSettings
from stack.servers import scratch_directory
from stack.waiting import eventually

pytestmark = pytest.mark.timeout(300)

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
STAND_IN = """
import http.server, os
port = os.environ["PARKSTREAM_HTTP_PORT" if __package__ == "api_gateway" else "PARKSTREAM_HEALTH_PORT"]
assert bool(os.environ["PARKSTREAM_BOOTSTRAP_API_KEY"]) == (__package__ == "api_gateway")
assert bool(os.environ["PARKSTREAM_CHIRPSTACK_TOKEN"]) == (__package__ == "downlink_dispatcher")
print("serving", __package__, flush=True)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(port)), Ready).serve_forever()
"""


class Platform:
    """One data directory with its ports, and the `up` that runs on it."""

    def __init__(self, home: Path) -> None:
        self.data_dir = home / "data"
        self.output = home / "output.txt"
        for service in SERVICES:
            package = home / "stand_ins" / service
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
            (package / "__main__.py").write_text(STAND_IN)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PARKSTREAM_")}
        names = [name for name in StackSettings.model_fields if name.endswith("_port")]
        self.environment = {
            **inherited,
            "PYTHONPATH": str(home / "stand_ins"),
            "PARKSTREAM_DATA_DIR": str(self.data_dir),
            **{f"PARKSTREAM_{name.upper()}": str(ports.free_port()) for name in names},
        }
        self.runs: list[subprocess.Popen[bytes]] = []

    def up(self, *wrapper: str, python: Path = Path(sys.executable)) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                [*wrapper, python, "-m", "parkstream.main", "up"],
                env=self.environment,
                cwd=self.output.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.runs.append(process)
        return process

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Another command, on the same platform."""
        program = [sys.executable, "-m", "parkstream.main", command]
        return subprocess.run(program, env=self.environment, capture_output=True, text=True, check=False, timeout=30)

    def says(self, text: str, times: int = 1) -> Callable[[], bool]:
        return lambda: self.text().count(text) >= times

    def text(self) -> str:
        return self.output.read_text()

    async def ready(self, times: int = 1) -> None:
        process = self.runs[-1]

        def said() -> bool:
            if process.poll() is not None:
                pytest.fail(f"up ended with status {process.returncode}:\n{self.text()}")
            return self.says("Parkstream is ready", times)()

        await eventually(said, timeout=90, message="readiness")

    def connections(self) -> Connections:
        import msgspec

        return msgspec.json.decode((self.data_dir / CONNECTIONS_FILE).read_bytes(), type=Connections)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.runs[-1].pid).children(recursive=True)


@pytest.fixture
def platform() -> Iterator[Platform]:
    home = scratch_directory("up")
    platform = Platform(home)
    yield platform
    for process in platform.runs:
        child.stop_process(process, ((signal.SIGTERM, 12.0),))
    print(platform.text() if platform.output.exists() else "never started")  # noqa: T201  shown when a test fails
    shutil.rmtree(home, ignore_errors=True)


def named(children: list[psutil.Process], text: str) -> psutil.Process:
    return next(one for one in children if text in " ".join(one.cmdline()))


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


async def test_what_dies_is_restarted_and_ctrl_c_ends_everything(platform: Platform) -> None:
    up = platform.up()
    await platform.ready()
    found = platform.connections()
    assert platform.text().count(found.api_key) == 1
    for secret in (platform.data_dir / "secrets").iterdir():
        assert secret.stat().st_mode & 0o777 == 0o600
    children = platform.children()
    double = "parking_simulator.chirpstack"
    programs = ("occupancy_engine", double, "bin/postgres", "data/nats/nats.conf", "data/mqtt/nats.conf")
    for victim in [named(children, program) for program in programs]:
        victim.kill()
    for name in ("occupancy_engine", "chirpstack", "postgres", "nats", "mqtt"):
        await eventually(platform.says(f"{name} ended (signal 9); starting it again in 1 s"))
    await eventually(platform.says("serving occupancy_engine", times=2))

    async def served_again() -> bool:
        async with contextlib.AsyncExitStack() as held:
            try:
                connection = await asyncpg.connect(found.database_url)
                held.push_async_callback(connection.close)
                client = await nats.connect(found.nats_url, allow_reconnect=False, max_reconnect_attempts=1)
                held.push_async_callback(client.close)
                applied = await connection.fetchval("SELECT count(*) FROM parkstream.migrations")
                uplinks = await client.jetstream().stream_info("UPLINKS")
            except (OSError, asyncpg.PostgresError, nats.errors.Error):
                return False
        assert uplinks.config.allow_atomic
        return applied > 0

    await eventually(served_again, timeout=40)
    await eventually(lambda: platform.run("doctor").returncode == 0, timeout=30, message=platform.run("doctor").stdout)
    assert platform.run("migrate").stdout == "database: up to date\nstreams: up to date\n"
    everyone = platform.children()
    assert len(everyone) >= len(SERVICES) + 4
    began = time.monotonic()
    up.send_signal(signal.SIGINT)
    assert up.wait(10) == 0
    assert time.monotonic() - began < 10
    assert running(everyone) == []
    assert not (platform.data_dir / CONNECTIONS_FILE).exists()


async def test_a_killed_up_leaves_nothing_and_the_next_goes_on(platform: Platform) -> None:
    up = platform.up()
    await platform.ready()
    before = platform.connections()
    everyone = platform.children()
    up.kill()
    up.wait()
    await eventually(lambda: running(everyone) == [], timeout=8)
    platform.up()
    await platform.ready(times=2)
    assert platform.connections() == before
    assert platform.text().count(before.api_key) == 1
    assert_the_owners_password_is_told_once(platform)


def assert_the_owners_password_is_told_once(platform: Platform) -> None:
    """It was shown at the first start alone, and is given to the gateway and to no other."""
    password = (platform.data_dir / "secrets" / "owner_password").read_text()
    assert platform.text().count(password) == 1
    told = [one for one in platform.children() if password in one.environ().values()]
    assert told == [named(platform.children(), "api_gateway")]


async def test_a_second_up_on_the_same_data_is_refused(platform: Platform) -> None:
    first = platform.up()
    await eventually(platform.says("starting postgres"))
    second = platform.up()
    assert second.wait(40) == 1
    assert f"Another `parkstream up` (pid {first.pid}) runs on {platform.data_dir}." in platform.text()
    assert first.poll() is None


def test_a_taken_port_is_named_with_its_holder_and_the_remedy(platform: Platform) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", int(platform.environment["PARKSTREAM_NATS_PORT"])))
        holder.listen()
        assert platform.up().wait(40) == 1
    number = platform.environment["PARKSTREAM_NATS_PORT"]
    assert f"Port {number}, for the embedded NATS, is taken by" in platform.text()
    assert f"(pid {os.getpid()})" in platform.text()
    assert "PARKSTREAM_NATS_PORT=<another port>" in platform.text()
    assert not (platform.data_dir / "postgres").exists()


def test_a_setting_of_the_wrong_type_is_named(platform: Platform) -> None:
    platform.environment["PARKSTREAM_HTTP_PORT"] = "http"
    assert platform.up().wait(40) == 1
    assert "PARKSTREAM_HTTP_PORT=http is not usable" in platform.text()


def reachable_python(home: Path, account: places.Account) -> Path:
    """A Python of this version that `account` may run: this one, or else the system's with our packages beside it."""
    if places.can_reach(Path(sys.executable).resolve(), account):
        return Path(sys.executable)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = shutil.which(version, path="/usr/bin:/usr/local/bin")
    site = Path(asyncpg.__file__).parents[1]
    if system is None or not places.can_reach(site, account):
        pytest.skip(f"the user {account.name} can reach neither this Python nor its packages")
    subprocess.run([system, "-m", "venv", "--without-pip", home / "venv"], check=True)
    shutil.copy2(Path(sysconfig.get_path("scripts")) / "nats-server", home / "venv" / "bin")
    own_site = home / "venv" / "lib" / version / "site-packages"
    (own_site / "ours.pth").write_text(f"import site; site.addsitedir({str(site)!r})\n")
    return home / "venv" / "bin" / "python"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_an_ordinary_user_runs_it_too(platform: Platform) -> None:
    home = platform.output.parent
    account = places.server_account()
    python = reachable_python(home, account)
    shutil.chown(home, account.uid, account.gid)
    platform.environment["HOME"] = str(home)
    platform.up("runuser", "-u", account.name, "--", python=python)
    await platform.ready()
    assert (platform.data_dir / "postgres" / "PG_VERSION").stat().st_uid == account.uid
    assert {one.uids().real for one in platform.children()} == {account.uid}
