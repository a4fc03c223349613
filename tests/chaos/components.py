"""What can be killed, stopped, restarted and paused: a service's process, a server, the double.

In: one of the classes that tests and `parkstream up` start them with. Out: the same five verbs for all, none of which
blocks the loop in which load and proxies live.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil

from parkstream.checks.services import ask_ready
from parkstream.embedded import child, ports
from parkstream.errors import OperatorError
from stack.service_process import Service

READY_SECONDS = 180.0  # on a machine that does other things as well
POLL_SECONDS = 0.05
STOP_STEPS = ((signal.SIGTERM, 10.0),)


class Component(Protocol):
    """One process (with its children) of a world. `kind` is its name without the replica's number."""

    name: str
    kind: str

    @property
    def pid(self) -> int | None:
        """Of the process, None while there is none."""

    async def start(self) -> None:
        """Start, or start again, and wait until it is ready; does nothing when it runs."""

    async def stop(self) -> None:
        """SIGTERM, and wait for its end."""

    def kill(self) -> None:
        """kill -9."""


def pause(component: Component) -> None:
    """SIGSTOP, children included (PostgreSQL's backends)."""
    for process in _tree(component):
        process.suspend()


def resume(component: Component) -> None:
    """SIGCONT."""
    for process in _tree(component):
        process.resume()


def _tree(component: Component) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        if component.pid is not None:
            root = psutil.Process(component.pid)
            yield root
            yield from root.children(recursive=True)


class ServiceComponent:
    """One process of a platform service."""

    def __init__(self, service: Service, number: int) -> None:
        self.service = service
        self.kind = service.module
        self.name = f"{service.module}-{number}"
        self.statuses: list[int] = []

    @property
    def pid(self) -> int | None:
        process = self.service.process
        return None if process is None or process.poll() is not None else process.pid

    async def start(self) -> None:
        """Started, not ready yet: a dependency that is away keeps it from that. The first start imports for seconds."""
        if self.pid is None:
            await asyncio.to_thread(self.service.spawn)

    async def wait_ready(self, within: float = READY_SECONDS) -> bool:
        """Whether it says so in time."""
        port = int(self.service.url.rpartition(":")[2])
        async with httpx.AsyncClient(trust_env=False, timeout=2, verify=False) as client:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while self.pid is not None and await ask_ready(client, port):  # noqa: ASYNC110  asked, not told
                        await asyncio.sleep(POLL_SECONDS)
                    return self.pid is not None
        return False

    async def stop(self) -> None:
        """The exit status is kept: a graceful stop ends with 0."""
        if self.service.process is not None:
            self.statuses.append(await asyncio.to_thread(self.service.stop))

    def kill(self) -> None:
        self.service.kill()


class ServerComponent:
    """PostgreSQL, NATS or Mosquitto."""

    def __init__(self, name: str, server: Any, kind: str | None = None) -> None:
        self.name = name
        self.kind = kind or name
        self.server = server

    @property
    def pid(self) -> int | None:
        process = self.server.process
        return None if process is None or process.poll() is not None else process.pid

    async def start(self) -> None:
        """Ready when it takes connections. Children follow the thread that starts them: that must be this one."""
        if self.pid is not None:
            return
        if not hasattr(self.server, "prepare"):
            self.server.start()
            return
        await asyncio.to_thread(self.server.prepare)
        self.server.spawn()
        await asyncio.to_thread(self.server.wait_ready)

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.stop)

    def kill(self) -> None:
        self.server.kill()


class DoubleComponent:
    """The ChirpStack double (`chaos.double`) as a process of its own."""

    name = kind = "chirpstack"

    def __init__(self, arguments: list[str], control_port: int, log: Path) -> None:
        self._arguments = arguments
        self._control_port = control_port
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self.process is None or self.process.poll() is not None else self.process.pid

    async def start(self) -> None:
        """Ready when it tells what its displays show, which it does even before the broker takes it."""
        if self.pid is not None:
            return
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: ASYNC220  a fork is short
                [*child.dying_with_us(signal.SIGKILL), sys.executable, "-P", "-m", "chaos.double", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        async with asyncio.timeout(READY_SECONDS):
            while not ports.accepts(self._control_port):
                if self.process.poll() is not None:
                    raise OperatorError(f"the ChirpStack double ended:\n{child.last_lines(self._log, 20)}")
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        if self.process is not None:
            await asyncio.to_thread(child.stop_process, self.process, STOP_STEPS)
            self.process = None

    def kill(self) -> None:
        child.kill_process(self.process)
        self.process = None
