"""Mosquitto and NATS by their shipped start scripts on a read-only root: their tmpfs and their volume are enough.

The confinement's tmpfs stands in for both; their configuration and their secrets can only be read.
"""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from parkstream.embedded import child, ports
from stack.confined import confined, why_not
from stack.servers import scratch_directory

CONFIG = Path(__file__).resolve().parents[2] / "config"
TMPFS = "mode=1777,size=256m,noexec,nosuid,nodev"
SEARCHED = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
NATS_SERVER = Path(sysconfig.get_path("scripts")) / "nats-server"
NATS_USERS = [path.parent.name for path in CONFIG.parent.glob("services/*/pyproject.toml")]

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture
def home() -> Iterator[Path]:
    scratch = scratch_directory("confined-servers")
    yield scratch
    shutil.rmtree(scratch, ignore_errors=True)


def keep(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def starts(command: list[str], home: Path, port: int, **environment: str) -> None:
    """Start it confined, wait until it listens, and see it end when it is asked to."""
    with (home.parent / f"{home.name}.log").open("wb") as output:
        server = subprocess.Popen(
            confined(command, TMPFS, str(home)),
            cwd="/",
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": SEARCHED, "SECRETS_DIR": str(home), **environment},
            start_new_session=True,
        )
    log = Path(output.name)
    try:
        child.wait_until(lambda: server.poll() is not None or ports.accepts(port), 20)
        assert server.poll() is None, child.last_lines(log)
        server.terminate()
        server.wait(10)
        assert "ead-only" not in child.last_lines(log, 100)
    finally:
        server.kill()
        server.wait()
        log.unlink()


@pytest.mark.skipif(not shutil.which("mosquitto", path=SEARCHED), reason="apt-get install mosquitto")
def test_mosquitto_writes_to_its_volume_and_its_tmpfs_alone(home: Path):
    port = ports.free_port()
    for name in ("mosquitto.conf", "acl", "start.sh"):
        text = (CONFIG / "mosquitto" / name).read_text(encoding="utf-8")
        text = text.replace("listener 1883", f"listener {port} 127.0.0.1").replace("/mosquitto/config", str(home))
        keep(home / name, text.replace("/run/mosquitto", "/tmp").replace("/mosquitto/data", "/tmp"))
    for user in ("uplink_ingestor", "downlink_dispatcher", "chirpstack", "gateway_bridge"):
        keep(home / f"mqtt_{user}", "a-password")
    starts(["/bin/sh", str(home / "start.sh"), str(home / "mosquitto.conf")], home, port)


def test_nats_writes_to_its_volume_alone(home: Path):
    port, monitor = ports.free_port(), ports.free_port()
    text = (CONFIG / "nats" / "nats.conf").read_text(encoding="utf-8")
    text = text.replace("port: 4222", f"host: 127.0.0.1\nport: {port}").replace('"/data"', '"/tmp/store"')
    keep(home / "nats.conf", text.replace("http: 8222", f'http: "127.0.0.1:{monitor}"'))
    for name in ("users.conf", "start.sh"):
        keep(home / name, (CONFIG / "nats" / name).read_text(encoding="utf-8"))
    for user in (*NATS_USERS, "parkstream"):
        keep(home / f"nats_{user}", "12e4")
    command = ["/bin/sh", str(home / "start.sh"), str(home / "nats.conf")]
    starts(command, home, port, NATS_SERVER=str(NATS_SERVER))
