"""The API's benchmark measures at all, and its figures are plausible; what they are is the machine's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from load.api.workload import READS

TESTS = Path(__file__).resolve().parents[1]
SIZE = ("--runs", "1", "--seconds", "1", "--spaces", "20", "--rounds", "2", "--contenders", "8", "--uplinks", "2")
RATES = ("--reads", "20", "--bookings", "10", "--mixed", "10")


@pytest.mark.slow
def test_a_small_benchmark_of_the_api_reports_plausible_figures(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "load.api", *SIZE, *RATES, "--json", report],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(report.read_text())
    assert measured["runs"]["wrong"] == {}
    latencies = measured["median_latency_ms"]
    assert set(READS) < latencies["reads, 20/s"].keys()
    for kinds in latencies.values():
        for percentiles in kinds.values():
            assert 0 < percentiles["p50"] <= percentiles["p99"] < 60_000
    assert {"api_gateway", "reservation_service", "postgres", "this client"} < measured["runs"]["cpu_ms_per_request"][
        "8 for one slot"
    ].keys()
