"""A benchmark as anyone starts it, in a process of its own and small: how the tests of the benchmarks run one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 110


def run(module: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """`python -m <module> <options>`."""
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def figures_of(module: str, report: Path, *options: str) -> Any:
    """What it has written to `report`. Fails with its output when it has not succeeded."""
    done = run(module, *options, "--json", report)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())
