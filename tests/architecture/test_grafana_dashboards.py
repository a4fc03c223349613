"""Dashboards are whole: they parse, are laid out without overlaps, say what they show, and name what is exported."""

import importlib
from itertools import combinations
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from dashboards.queries import ROOT, Query, dashboards, panel_queries, rule_queries

MODULES = (
    "parking_chassis.metrics",
    "uplink_ingestor.metrics",
    "occupancy_engine.metrics",
    "reservation_service.metrics",
    "downlink_dispatcher.metrics",
    "api_gateway.metrics",
)
GRAFANA = ROOT / "config" / "grafana"
COLUMNS = 24
# What Prometheus adds, and what is read from pools, processes and the machine.
ADDED = {"job", "instance", "le"}
ELSEWHERE = {
    "parkstream_pool_connections": {"pool", "state"},
    "parkstream_pool_limit": {"pool"},
    "parkstream_pool_waiters": {"pool"},
    "node_filesystem_avail_bytes": {"mountpoint", "fstype"},
    "node_filesystem_size_bytes": {"mountpoint", "fstype"},
}
each_dashboard = pytest.mark.parametrize("name", dashboards())
each_query = pytest.mark.parametrize(
    "query", [*panel_queries(), *rule_queries()], ids=lambda query: f"{query.where}: {query.title}"
)


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of each series that services export."""
    found: dict[str, set[str]] = dict(ELSEWHERE)
    for module in MODULES:
        for metric in vars(importlib.import_module(module)).values():
            if isinstance(metric, MetricWrapperBase):
                suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric._type, ("",))
                found |= {f"{metric._name}{suffix}": set(metric._labelnames) for suffix in suffixes}
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds", "start_time_seconds"):
        found[f"process_{name}"] = set()
    return found


@each_query
def test_a_query_names_what_is_exported_with_its_labels(query: Query, labels: dict[str, set[str]]) -> None:
    assert query.metrics <= set(labels)
    for metric, label in query.matched:
        assert label in labels[metric] | ADDED, f"{metric} has no label {label}"
    known = set().union(*(labels[metric] for metric in query.metrics)) | ADDED
    assert query.grouped <= known


@each_dashboard
def test_panels_fit_beside_each_other(name: str) -> None:
    boxes = [panel["gridPos"] for panel in dashboards()[name]["panels"]]
    assert all(box["x"] + box["w"] <= COLUMNS for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if overlap(*pair)]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    def apart(start: str, size: str) -> bool:
        return one[start] + one[size] <= other[start] or other[start] + other[size] <= one[start]

    return not (apart("x", "w") or apart("y", "h"))


@each_dashboard
def test_a_dashboard_says_what_it_is_and_comes_from_one_source(name: str) -> None:
    dashboard: dict[str, Any] = dashboards()[name]
    assert dashboard["uid"] == f"parkstream-{name}"
    assert dashboard["title"].startswith("Parkstream / ")
    assert dashboard["description"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == source["uid"]


@each_dashboard
def test_a_panel_has_a_title_a_description_and_a_unit(name: str) -> None:
    for panel in dashboards()[name]["panels"]:
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        if "targets" in panel:
            assert panel["targets"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_dashboards_are_provisioned_from_where_compose_mounts_them() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/parkstream.yml").read_text("utf-8"))["providers"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["grafana"]
    assert f"./config/grafana/dashboards:{provider['options']['path']}:ro" in compose["volumes"]
