"""A real Mosquitto per test, set up so that it keeps what it acknowledged."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from parkstream.embedded import child, places, ports
from stack.servers import START_ATTEMPTS, scratch_directory

# Persistence is off by default, and then a restart loses every queued message. `autosave_on_changes` with a small
# interval would rewrite the whole database at each message.
CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {home}/
autosave_interval 1
max_queued_messages 0
memory_limit 536870912
max_inflight_messages {max_inflight}
set_tcp_nodelay true
log_dest file {home}/mosquitto.log
"""
STOP_STEPS = ((signal.SIGTERM, 5.0),)


class Mosquitto:
    """One broker process; a restart keeps its port and its database."""

    def __init__(
        self, executable: str, home: Path, max_inflight: int = 1000, configuration: str = CONFIGURATION
    ) -> None:
        self.home = home
        self.account = places.server_account()
        self.process: subprocess.Popen[bytes] | None = None
        self._executable = executable
        self._max_inflight = max_inflight
        self._configuration = configuration
        self.port = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, or start again after `kill()` or `stop()`, and wait until connections are accepted."""
        for _ in range(START_ATTEMPTS):
            if self._attempt():
                return
        raise AssertionError(f"mosquitto does not start:\n{child.last_lines(self.home / 'output.log')}")

    def _attempt(self) -> bool:
        self.port = self.port or ports.free_port()
        configuration = self.home / "mosquitto.conf"
        configuration.write_text(
            self._configuration.format(port=self.port, home=self.home, max_inflight=self._max_inflight)
        )
        with (self.home / "output.log").open("ab") as output:
            self.process = process = child.spawn_server(
                [self._executable, "-c", configuration],
                self.account,
                output,
                cwd=self.home,
                death_signal=signal.SIGKILL,
            )
        child.wait_until(lambda: process.poll() is not None or ports.accepts(self.port), 10)
        return process.poll() is None

    def stop(self) -> None:
        """Ask it to end (it saves its database) and wait."""
        if self.process is not None:
            child.stop_process(self.process, STOP_STEPS)
            self.process = None

    def kill(self) -> None:
        """kill -9; what came since the last autosave (1 s) is lost, as in the field."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    """A running Mosquitto of this test alone; skipped where it is not installed, but never in CI."""
    yield from _running_mosquitto()


@pytest.fixture(scope="module")
def module_mosquitto() -> Iterator[Mosquitto]:
    """The same, of all tests of this module."""
    yield from _running_mosquitto()


def _running_mosquitto() -> Iterator[Mosquitto]:
    executable = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if executable is None:
        reason = "mosquitto is not installed (apt-get install mosquitto)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    home = places.make_private_dir(scratch_directory("mosquitto") / "home", places.server_account())
    broker = Mosquitto(executable, home)
    broker.start()
    yield broker
    broker.stop()
    shutil.rmtree(home.parent, ignore_errors=True)
