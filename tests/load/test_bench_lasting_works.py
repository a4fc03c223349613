"""The benchmarks of size and time measure at all; what their figures are is the machine's business."""

import shutil
from pathlib import Path

import pytest

from load.consumption import SERVICES
from load.small_run import figures_of

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
BROKER = ("--broker", "mosquitto" if MOSQUITTO else "embedded")


@pytest.mark.slow
def test_a_small_backlog_is_worked_off_and_its_memory_told(tmp_path: Path) -> None:
    measured = figures_of("load.backlog", tmp_path / "figures.json", "--uplinks", "1000", "--spaces", "50", *BROKER)
    assert measured["whole"]["uplinks"] == 1_000
    assert all(measured["whole"]["peak_mib"][name] > 10 for name in SERVICES)


@pytest.mark.slow
def test_a_short_soak_tells_memory_and_latency(tmp_path: Path) -> None:
    size = ("--minutes", "0.05", "--rate", "50", "--sample", "1", "--spaces", "50")
    measured = figures_of("load.soak", tmp_path / "figures.json", *size, *BROKER)
    assert {*SERVICES} < measured["growth_mib"].keys()
    assert len(measured["samples"]["minutes"]) == 3
    assert 0 < measured["samples"]["p50_ms"][-1] <= measured["samples"]["p99_ms"][-1]


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)")
def test_a_small_comparison_of_sizes_tells_a_ratio(tmp_path: Path) -> None:
    size = ("--runs", "1", "--uplinks", "400", "--small-spaces", "20", "--large-spaces", "100", "--readings", "3000")
    measured = figures_of("load.scale", tmp_path / "figures.json", *size, "--days", "3")
    assert measured["large"]["readings"] == 3_000
    assert measured["ratio"] > 0
