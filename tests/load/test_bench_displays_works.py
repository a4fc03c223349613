"""The displays' benchmark measures at all, and its figures are plausible; what they are is the machine's business."""

from pathlib import Path

import pytest

from load.displays.told import match
from load.small_run import figures_of

SIZE = ("--runs", "1", "--seconds", "2", "--displays", "20", "--rate", "10", "--converging", "0")


def test_the_nth_change_of_a_display_is_its_nth_downlink() -> None:
    told = match([("a", 1.0), ("b", 1.5), ("a", 2.0)], [("a", 1.25), ("b", 1.75), ("a", 2.5)])
    assert (sorted(told.seconds), told.merged) == ([0.25, 0.25, 0.5], 0)


def test_changes_that_share_a_downlink_are_counted_and_not_guessed_at() -> None:
    told = match([("a", 1.0), ("a", 1.1), ("b", 1.0)], [("a", 1.2), ("b", 1.5)])
    assert (told.seconds, told.merged) == ([0.5], 2)


@pytest.mark.slow
def test_a_small_benchmark_of_displays_reports_plausible_figures(tmp_path: Path) -> None:
    measured = figures_of("load.displays", tmp_path / "figures.json", *SIZE)
    assert 0 < measured["median_latency_ms"]["p50"] <= measured["median_latency_ms"]["p99"] < 60_000
    assert measured["runs"]["downlinks"][0] + measured["runs"]["merged"][0] >= 20
