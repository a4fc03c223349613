"""What a service writes to its log: one line an event, and tracebacks that tell where, not with which values."""

import subprocess
import sys

import pytest

FAIL = """
import sys, structlog
from parking_chassis.logs import configure_logs
from parking_chassis.settings import ServiceSettings

configure_logs("proof", ServiceSettings(health_port=1, log_format=sys.argv[1]))

def fails():
    password = "hun" + "ter2"
    raise ValueError("broken")

try:
    fails()
except ValueError:
    structlog.get_logger().exception("work_failed", dev_eui="0101010101010101")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_says_where_it_broke_and_shows_no_local_variable(log_format: str) -> None:
    done = subprocess.run([sys.executable, "-c", FAIL, log_format], capture_output=True, text=True, check=True)
    assert "work_failed" in done.stderr
    assert "fails" in done.stderr
    assert "broken" in done.stderr
    assert "hunter2" not in done.stderr
    assert len(done.stderr.splitlines()) <= 12
