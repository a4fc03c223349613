"""Processes that end with us: how the embedded servers are started, recognised and stopped.

The kernel signals a child whose parent dies, so `kill -9` of the parent leaves nothing running. Where that cannot be
asked for (macOS, or no util-linux), the next start finds the orphan by its data directory and ends it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

from parkstream.errors import OperatorError

if TYPE_CHECKING:
    from parkstream.embedded.places import Account

POLL_SECONDS = 0.01
LOG_BYTES = 10 << 20
START_TIMEOUT_SECONDS = 60.0  # crash recovery included


def dying_with_us(death_signal: signal.Signals) -> list[str]:
    """What to put before a command so that the kernel sends it `death_signal` when this process is gone.

    setpriv asks for that and then becomes the command. It does so without code of ours between fork and exec, which
    a process with threads cannot run safely. The signal follows the *thread* that starts the child: start children
    from the main thread. Empty where util-linux is not installed.
    """
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    return [setpriv, "--pdeathsig", death_signal.name, "--"] if setpriv and sys.platform == "linux" else []


def spawn_server(
    command: Sequence[str | Path],
    account: "Account",
    output: IO[bytes],
    *,
    cwd: Path,
    death_signal: signal.Signals,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in its own session (a terminal's Ctrl-C is ours to handle), as `account`, logging to `output`."""
    return subprocess.Popen(  # noqa: S603  our own binaries, no shell
        [*dying_with_us(death_signal), *(str(part) for part in command)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=environment,
        start_new_session=True,
        user=account.uid if account.switch else None,
        group=account.gid if account.switch else None,
        extra_groups=() if account.switch else None,
    )


def wait_ready(process: "subprocess.Popen[bytes] | None", ready: Callable[[], bool], name: str, log: Path) -> None:
    """Block until `ready()`; `OperatorError` with the end of the log when the server ends or takes too long."""
    if process is None:
        raise RuntimeError(f"{name} was not spawned")
    in_time = wait_until(lambda: process.poll() is not None or ready(), START_TIMEOUT_SECONDS)
    if process.poll() is not None:
        raise OperatorError(f"{name} ended while starting:\n{last_lines(log)}", f"See {log}")
    if not in_time:
        raise OperatorError(f"{name} did not become ready in {START_TIMEOUT_SECONDS:.0f} s.", f"See {log}")


def stop_process(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, giving the process that many seconds to end, until it has."""
    for number, patience_seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def kill_process(process: "subprocess.Popen[bytes] | None") -> None:
    """Kill -9, and wait until the process is gone."""
    if process is not None:
        process.kill()
        process.wait()


def stop_orphan(orphan: psutil.Process, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a process that is not our child, by the same steps and then SIGKILL."""
    for number, patience_seconds in (*steps, (signal.SIGKILL, 5.0)):
        try:
            orphan.send_signal(number)
            orphan.wait(patience_seconds)
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            return
        else:
            return


def processes_in(directory: Path, name: str) -> list[psutil.Process]:
    """Every running process called `name` whose working directory is `directory`: a server's, or its workers'."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == name and Path(process.cwd()) == directory:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            continue
    return found


def wait_until(ready: Callable[[], bool], timeout_seconds: float) -> bool:
    """Poll `ready` until it is true; false when the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def open_log(path: Path) -> IO[bytes]:
    """A server's log, to append to; beyond 10 MB the old one is put aside, and the one before it forgotten."""
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a server's log, for the message that says why it did not start."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(f"    {line}" for line in lines[-count:])
