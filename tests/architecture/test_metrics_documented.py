"""docs/metrics.md says of every metric what the code says, and what a bad value means."""

import importlib
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
MODULES = {
    "Every service": "parking_chassis.metrics",
    "uplink_ingestor": "uplink_ingestor.metrics",
    "occupancy_engine": "occupancy_engine.metrics",
    "reservation_service": "reservation_service.metrics",
    "downlink_dispatcher": "downlink_dispatcher.metrics",
    "api_gateway": "api_gateway.metrics",
}
# Not in a metrics.py: read from the pools at each scrape.
POOLS = {
    "parkstream_pool_connections": ("gauge", "pool, state"),
    "parkstream_pool_limit": ("gauge", "pool"),
    "parkstream_pool_waiters": ("gauge", "pool"),
}
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def section(title: str) -> str:
    return DOCUMENT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def exported(module: str) -> dict[str, tuple[str, str, str]]:
    """Type, labels and meaning of each metric by the name that Prometheus stores."""
    found = {}
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, MetricWrapperBase):
            suffix = "_total" if value._type == "counter" else ""
            found[value._name + suffix] = (value._type, ", ".join(value._labelnames), value._documentation)
    return found


@pytest.mark.parametrize("title", MODULES)
def test_a_service_exports_what_its_table_says(title: str) -> None:
    written = {
        name: (kind, labels.strip(), meaning) for name, kind, labels, _, meaning, _ in ROW.findall(section(title))
    }
    told = {name: row for name, row in written.items() if name not in POOLS}
    assert told == exported(MODULES[title])


def test_pools_are_in_the_table() -> None:
    importlib.import_module("parking_chassis.pool_metrics")
    families = {family.name: family for family in REGISTRY.collect()}
    written = {name: (kind, labels) for name, kind, labels, *_ in ROW.findall(section("Every service"))}
    for name, row in POOLS.items():
        assert written[name] == row
        assert families[name].type == row[0]


def test_every_row_names_a_unit_and_a_bad_value() -> None:
    rows = ROW.findall(DOCUMENT)
    assert len(rows) == len(re.findall(r"^\| `parkstream_", DOCUMENT, re.MULTILINE))
    units = {"s", "bytes", "count", "messages", "0 or 1", "Unix time, s"}
    assert not [row for row in rows if row[3] not in units or not row[5].strip()]
