"""The benchmark measures at all, and its figures are plausible; what they are is the machine's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from load.consumption import SERVICES

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_small_benchmark_reports_plausible_figures(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    size = ("--runs", "1", "--uplinks", "500", "--rate", "50", "--seconds", "1", "--spaces", "50")
    done = subprocess.run(
        [sys.executable, "-m", "load", *size, "--json", report],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(report.read_text())
    medians = measured["medians"]
    assert 0 < medians["latency_ms"]["p50"] <= medians["latency_ms"]["p95"] <= medians["latency_ms"]["p99"] < 30_000
    assert medians["drain_per_second"] > 10
    assert medians["services_mib"] > 50
    assert 0 < medians["cpu_seconds_per_1000"] < 100
    assert {*SERVICES, "postgres", "nats", "mqtt"} == measured["runs"]["memory_mib"].keys()
    assert measured["question"]["uplinks"] == 500


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "load", "--json", tmp_path / "missing" / "figures.json"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "is no directory" in done.stdout
