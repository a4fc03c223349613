"""Restart delays, and the end of a child that does not want to."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parkstream.jobs import ServiceJob
from parkstream.prefixed_logs import PrefixedLogs
from parkstream.run_directory import RunDirectory
from parkstream.supervisor import RestartDelay, Supervisor
from stack.waiting import eventually

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("runs", "delays"),
    [
        ([0, 0, 0, 0, 0, 0, 0], [1, 2, 4, 8, 16, 30, 30]),
        ([0, 0, 61, 0], [1, 2, 1, 2]),
        ([59, 59, 60], [1, 2, 1]),
    ],
)
def test_the_delay_doubles_until_a_minute_went_well(runs: list[float], delays: list[float]) -> None:
    delay = RestartDelay()
    assert [delay.after(ran) for ran in runs] == delays


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[PrefixedLogs]:
    logs = PrefixedLogs(tmp_path, width=5)
    yield logs
    logs.close()


def make_job(logs: PrefixedLogs, program: str) -> tuple[ServiceJob, Path]:
    home = logs.directory
    (home / "modules").mkdir()
    (home / "run").mkdir()
    (home / "modules" / "probe.py").write_text(program)
    environment = {"PYTHONPATH": str(home / "modules")}
    return ServiceJob("probe", ["probe"], environment, logs, RunDirectory(home)), home / "probe.log"


async def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(logs: PrefixedLogs) -> None:
    job, log = make_job(logs, STUBBORN)
    supervisor = Supervisor(lambda _: None)
    await supervisor.start([job])
    await eventually(lambda: log.exists() and "child" in log.read_text())
    grandchild = psutil.Process(int(log.read_text().split()[1]))
    began = time.monotonic()
    await supervisor.stop(within_seconds=0.6, last_seconds=0)
    assert 0.5 < time.monotonic() - began < 3
    await eventually(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    assert await job.wait() == -9


async def test_a_child_that_ends_is_reported_and_started_again(logs: PrefixedLogs) -> None:
    job, log = make_job(logs, "import sys; print('here'); sys.exit(3)")
    reports: list[str] = []
    supervisor = Supervisor(reports.append)
    await supervisor.start([job])
    await eventually(lambda: log.exists() and log.read_text().count("here") == 2)
    assert reports[0] == "probe ended (exit status 3); starting it again in 1 s"
    await supervisor.stop(within_seconds=1, last_seconds=0)


async def test_an_endless_line_and_broken_text_pass_through(
    logs: PrefixedLogs, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"\xff\xfe broken\n" + b"x" * 200_000 + b"\nlast without an end")
    stream.feed_eof()
    await logs.pump("probe", stream)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "probe | \ufffd\ufffd broken"
    assert sum(line.count("x") for line in lines) == 200_000
    assert lines[-1] == "probe | last without an end"
    assert sys.getsizeof(max(lines, key=len)) < 300_000
