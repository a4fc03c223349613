"""The API's benchmark measures at all, and its figures are plausible; what they are is the machine's business."""

from pathlib import Path

import pytest

from load.api.workload import READS
from load.small_run import figures_of

SIZE = ("--runs", "1", "--seconds", "1", "--spaces", "20", "--rounds", "2", "--contenders", "8", "--uplinks", "2")
RATES = ("--reads", "20", "--bookings", "10", "--mixed", "10")


@pytest.mark.slow
def test_a_small_benchmark_of_the_api_reports_plausible_figures(tmp_path: Path) -> None:
    measured = figures_of("load.api", tmp_path / "figures.json", *SIZE, *RATES)
    assert measured["runs"]["wrong"] == {}
    latencies = measured["median_latency_ms"]
    assert set(READS) < latencies["reads, 20/s"].keys()
    for kinds in latencies.values():
        for percentiles in kinds.values():
            assert 0 < percentiles["p50"] <= percentiles["p99"] < 60_000
    assert {"api_gateway", "reservation_service", "postgres", "this client"} < measured["runs"]["cpu_ms_per_request"][
        "8 for one slot"
    ].keys()
