"""Alert rules name metrics that the services export, and say what to do."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
RULES: list[dict[str, Any]] = [
    rule
    for path in sorted((ROOT / "config" / "prometheus").glob("*.yml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8")).get("groups", ())
    for rule in group["rules"]
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """The series of every service, as Prometheus would store them."""
    for service in SERVICES:
        importlib.import_module(f"{service}.metrics")
    names: set[str] = set()
    for family in REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
        if family.type == "histogram":
            names.add(family.name)  # in words, where a person is told where to look
    return names


def test_there_are_rules() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 0


@each_rule
def test_a_rule_names_what_is_exported(rule: dict[str, Any], exported: set[str]) -> None:
    named = set(re.findall(r"parkstream_\w+", str(rule)))
    assert named
    assert named <= exported


@each_rule
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
