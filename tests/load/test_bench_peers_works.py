"""The comparison with Node-RED measures both; what the ratio is, is the machine's business."""

import json
import shutil
from pathlib import Path

import pytest

from load.peers.node_red import HERE, INSTALLED, LOCKED
from load.small_run import figures_of

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
IS_INSTALLED = all((INSTALLED / name).is_file() for name in LOCKED)


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)")
@pytest.mark.skipif(
    not IS_INSTALLED or shutil.which("node") is None, reason="Node-RED is installed by `make bench-peers`, with npm"
)
def test_a_small_comparison_measures_both(tmp_path: Path) -> None:
    size = ("--runs", "1", "--uplinks", "300", "--spaces", "20")
    measured = figures_of("load.peers", tmp_path / "figures.json", *size)
    assert measured["median_ratio"].keys() == {"queued", "live"}
    assert all(ratio > 0 for ratio in measured["median_ratio"].values())
    assert measured["runs"]["cpu_us_per_uplink"]["node_red"]["queued"].keys() == {"node_red", "postgres", "mosquitto"}


def test_every_package_of_the_lock_is_pinned_by_its_hash_and_none_by_an_address() -> None:
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert len(locked) > 100
    assert [name for name, entry in locked.items() if name and not entry.get("integrity")] == []
    assert [name for name, entry in locked.items() if "resolved" in entry] == []
