"""The benchmark measures at all, and its figures are plausible; what they are is the machine's business."""

import shutil
from pathlib import Path

import pytest

from load.consumption import SERVICES
from load.small_run import figures_of, run
from load.street import Street
from load.traffic import Mix, make_traffic

SIZE = ("--runs", "1", "--uplinks", "500", "--rate", "50", "--seconds", "1", "--spaces", "50", "--profile")
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@pytest.mark.slow
def test_a_small_benchmark_reports_plausible_figures(tmp_path: Path) -> None:
    broker = "mosquitto" if MOSQUITTO else "embedded"
    measured = figures_of("load", tmp_path / "figures.json", *SIZE, "--broker", broker)
    medians, runs = measured["medians"][broker], measured["runs"][broker]
    assert 0 < medians["latency_ms"]["p50"] <= medians["latency_ms"]["p95"] <= medians["latency_ms"]["p99"] < 30_000
    assert medians["services_mib"] > 50
    for way in ("queued", "live"):
        assert medians["drained_per_second"][way] > 10
        assert 0 < medians["cpu_us_per_uplink"][way] < 100_000
    assert {*SERVICES, "postgres", "nats"} < runs["memory_mib"].keys()
    assert {"uplink_ingestor", "occupancy_engine"} == runs["profile"]["own"].keys()
    assert any("sensor_readings" in statement["text"] for statement in runs["profile"]["statements"])
    assert measured["question"]["uplinks"] == 500


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = run("load", "--json", tmp_path / "missing" / "figures.json")
    assert done.returncode == 2
    assert "is no directory" in done.stdout


def test_a_burst_has_the_size_the_shares_and_the_bytes_that_were_asked_for() -> None:
    street = Street(50, uplink_bytes=992)
    street.come_up()
    traffic = make_traffic(street, 2_000, Mix(changing=0.2, duplicates=0.02, late=0.01))
    assert {len(message.payload) for message in traffic.messages} == {992}
    assert len(traffic.messages) == 2_040
    assert len(set(traffic.messages)) == traffic.uplinks == sum(map(len, traffic.f_cnts.values())) == 2_000
    assert all(f_cnts == list(range(1, 41)) for f_cnts in traffic.f_cnts.values())
