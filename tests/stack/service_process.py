"""One process of a platform service, to be killed and started again."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from parkstream.embedded import child, ports
from stack import warm_start
from stack.own_logins import as_itself
from stack.waiting import eventually
from stack.warm_start import ForkedProcess

READY_TIMEOUT_SECONDS = 60.0
STOP_STEPS = ((signal.SIGTERM, 10.0),)


class Service:
    """`python -m <module>` with an HTTP port of its own for /live, /ready, /health and /metrics."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path) -> None:
        self.module = module
        self.log = log
        self.process: subprocess.Popen[bytes] | ForkedProcess | None = None
        variable = "PARKSTREAM_HTTP_PORT" if module == "api_gateway" else "PARKSTREAM_HEALTH_PORT"
        self._environment = {variable: str(ports.free_port()), **as_itself(module, environment)}
        self.url = f"http://127.0.0.1:{self._environment[variable]}"

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PARKSTREAM_")}
        environment = {**inherited, **self._environment, "PYTHONUNBUFFERED": "1"}
        if sys.platform == "linux":
            self.process = warm_start.spawn(self.module, environment, self.log)
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    async def start(self, *, ready: bool = True) -> None:
        """Start, or start again; with `ready`, wait until /ready says 200."""
        self.spawn()
        if ready:
            await self.wait_ready()

    async def wait_ready(self, within: float = READY_TIMEOUT_SECONDS) -> None:
        await eventually(self.is_ready, within, message=f"{self.module} /ready")

    async def is_ready(self) -> bool:
        """Whether /ready says 200; fails the test at once when the process has ended."""
        process = self.process
        if process is None or process.poll() is not None:
            status = None if process is None else process.returncode
            pytest.fail(f"{self.module} ended with status {status}:\n{child.last_lines(self.log, 40)}")
        return await self._answers_ready()

    async def _answers_ready(self) -> bool:
        """Asked by hand: it is asked so often that an HTTP client would cost as much as the start it waits for."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(self.url.rpartition(":")[2]))
                try:
                    writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return (await reader.readline()).split()[1:2] == [b"200"]
                finally:
                    writer.close()
        return False

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """When a test is over: nobody asks how it ends any more, and an orderly end takes 0.2 s.

        Whatever it did, NATS let it do: a refusal would show that `parking_contracts.permissions` lacks something.
        """
        self.kill()
        if self.log.exists():
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            assert not [line for line in lines if "permissions violation" in line.lower()], f"{self.module} may do less"

    def stop(self) -> int:
        """SIGTERM, and SIGKILL after ten seconds; the exit status (negative: the signal's number)."""
        assert self.process is not None
        child.stop_process(self.process, STOP_STEPS)
        status = self.process.returncode
        self.process = None
        return status
