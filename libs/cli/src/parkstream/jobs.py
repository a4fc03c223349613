"""The two kinds of children of `parkstream up`: Python services whose output we print, and embedded servers."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from parkstream.embedded import child
from parkstream.prefixed_logs import PrefixedLogs
from parkstream.run_directory import RunDirectory

POLL_SECONDS = 0.1
# A setting of its own, which the dispatcher reads again whenever the file changes.
TOKEN_FILE = "PARKSTREAM_CHIRPSTACK_TOKEN_FILE"  # noqa: S105  the name of one


class EmbeddedServer(Protocol):
    """What `PostgresServer` and `NatsServer` have in common; all of it blocks."""

    name: str
    process: subprocess.Popen[bytes] | None

    def prepare(self) -> None:
        """Make the data if there is none, and clear away what an earlier run left."""

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process, from the main thread."""

    def wait_ready(self) -> None:
        """Return once it accepts connections."""

    def stop(self, patience_seconds: float) -> None:
        """End it, by force when the patience is over."""


class ServerJob:
    """An embedded server; it serves when `start` returns."""

    def __init__(self, server: EmbeddedServer, run: RunDirectory) -> None:
        self.name = server.name
        self._server = server
        self._run = run

    async def start(self) -> None:
        """Clear away remnants, spawn, and wait until the server accepts connections."""
        await asyncio.to_thread(self._server.prepare)
        process = self._server.spawn()  # from this thread: the child's life is bound to it
        self._run.note_child(self.name, process.pid)
        await asyncio.to_thread(self._server.wait_ready)

    async def wait(self) -> int:
        """Wait for the server's end, by looking: a thread that waits would outlive us."""
        process = self._server.process
        while process is not None and process.poll() is None:  # noqa: ASYNC110  nobody sets an event
            await asyncio.sleep(POLL_SECONDS)
        return -1 if process is None else process.returncode

    async def stop(self, patience_seconds: float) -> None:
        """End the server in its own way."""
        await asyncio.to_thread(self._server.stop, patience_seconds)


class ServiceJob:
    """`python -m <module> <arguments>` in a session of its own, its output prefixed with its name."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        logs: PrefixedLogs,
        run: RunDirectory,
    ) -> None:
        self.name = name
        # Killed with us: the servers it needs end at the same moment, so there is no graceful end to wait for.
        # -P: a folder of the current directory is not taken for a module.
        self._command = (*child.dying_with_us(signal.SIGKILL), sys.executable, "-P", "-m", *arguments)
        # What is said here is not said again by a file of secrets that we were given.
        said = {f"{variable}_FILE" for variable in environment} - {TOKEN_FILE}
        inherited = {name: value for name, value in os.environ.items() if name not in said}
        self._environment = {**inherited, **environment, "PYTHONUNBUFFERED": "1"}
        self._logs = logs
        self._run = run
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process; whether it is ready, its /ready says."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._run.note_child(self.name, self._process.pid)
        if self._process.stdout is not None:
            self._pump = asyncio.create_task(self._logs.pump(self.name, self._process.stdout))

    async def wait(self) -> int:
        """Wait for the process's end."""
        return -1 if self._process is None else await self._process.wait()

    async def stop(self, patience_seconds: float) -> None:
        """SIGTERM to the service, then SIGKILL to it and to whatever it started."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), patience_seconds)
        except TimeoutError:
            self._logs.line(self.name, f"did not end within {patience_seconds:.0f} s of SIGTERM, killed")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await self._drain()

    async def _drain(self) -> None:
        """Print the last lines; a grandchild that holds the pipe open does not hold us up."""
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=0.5)
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
