"""Starts processes of a service without importing its modules every time (`fork_server.py`).

The imports are nearly all that a start costs, 1.2 s of CPU for a gateway, and the tests start hundreds of processes.
What a process does from `main()` on is the same, and so is what can be done to it: it has its own pid, session,
environment, output and exit status. `parkstream up`, its tests and the benchmarks start theirs with `python -m`.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from parkstream.embedded import child
from stack.fork_server import NUMBER

SCRIPT = Path(__file__).with_name("fork_server.py")
_servers: dict[str, "ForkServer"] = {}


class ForkServer:
    """The process that has a service's modules in memory, one per service and pytest worker."""

    def __init__(self, module: str, log: IO[bytes]) -> None:
        """Start to import, with messages to `log`; orders are taken meanwhile."""
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*child.dying_with_us(signal.SIGKILL), sys.executable, "-P", str(SCRIPT), module]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PARKSTREAM_")}
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=theirs,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**inherited, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def fork(self, environment: Mapping[str, str], output: IO[bytes]) -> "ForkedProcess":
        """A new process of the service, with just this environment; EOFError when the server cannot start."""
        order = json.dumps({"environment": dict(environment), "directory": str(Path.cwd())}).encode()
        report, theirs = os.pipe()
        with open(theirs, "wb", buffering=0), contextlib.suppress(ConnectionError):  # noqa: PTH123  a descriptor
            socket.send_fds(self._orders, [order], [output.fileno(), theirs])
        return ForkedProcess(report)

    def end(self) -> None:
        """End it; processes that are still there end with it."""
        self._orders.close()
        self._process.kill()
        self._process.wait()


class ForkedProcess:
    """What `subprocess.Popen` is for a child; `returncode` is None while it runs, and negative after a signal."""

    def __init__(self, report: int) -> None:
        """Take the pid from the report, waiting for it; EOFError when the fork server ends instead."""
        self._report = open(report, "rb", buffering=0)  # noqa: SIM115  a descriptor, open as long as we are
        self.returncode: int | None = None
        first = self._report.read(NUMBER.size)
        if not first:
            self._report.close()
            raise EOFError
        self.pid: int = NUMBER.unpack(first)[0]

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._end_within(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Block until it has ended; raises `subprocess.TimeoutExpired` as Popen does."""
        if self.returncode is None:
            self.returncode = self._end_within(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end_within(self, timeout: float | None) -> int | None:
        """The status that the fork server reports; None when it takes longer. With the server everything has ended."""
        waiting = select.poll()
        waiting.register(self._report, select.POLLIN)
        if not waiting.poll(None if timeout is None else timeout * 1000):
            return None
        status = self._report.read(NUMBER.size)
        self._report.close()
        return NUMBER.unpack(status)[0] if status else -signal.SIGKILL


def spawn(module: str, environment: Mapping[str, str], log: Path) -> ForkedProcess:
    """Start `module` in this environment and our directory, its output appended to `log`."""
    with log.open("ab") as output:
        if module not in _servers:
            _servers[module] = ForkServer(module, output)
        try:
            return _servers[module].fork(environment, output)
        except EOFError:
            _servers.pop(module).end()
            raise RuntimeError(f"{module} cannot be imported:\n{child.last_lines(log, 40)}") from None


def pytest_unconfigure() -> None:
    """End the fork servers with the run."""
    while _servers:
        _servers.popitem()[1].end()
