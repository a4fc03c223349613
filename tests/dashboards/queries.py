"""What the dashboards and alert rules ask of Prometheus, read from their files.

In: config/grafana/dashboards and config/prometheus/rules. Out: each question with where it is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = sorted((ROOT / "config" / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "config" / "prometheus" / "rules").glob("*.yml"))
SELECTOR = re.compile(r"\b((?:parkstream|process|node)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")


# Panels that are rightly empty on a platform without TLS.
MAY_BE_EMPTY = {"Certificates"}


class Query(msgspec.Struct, frozen=True):
    """One question in PromQL. `legend` are the labels that its legend shows."""

    where: str
    title: str
    expr: str
    legend: tuple[str, ...] = ()

    @property
    def metrics(self) -> set[str]:
        """Every metric that it names."""
        return {name for name, _ in SELECTOR.findall(self.expr)}

    @property
    def matched(self) -> Iterator[tuple[str, str]]:
        """Each metric with a label by which it is selected."""
        for name, matchers in SELECTOR.findall(self.expr):
            yield from ((name, label) for label in MATCHER.findall(matchers))

    @property
    def grouped(self) -> set[str]:
        """Labels that are grouped by or shown."""
        listed = (label.strip() for labels in GROUPING.findall(self.expr) for label in labels.split(","))
        return {label for label in listed if label} | set(self.legend)

    def over(self, window: str) -> str:
        """As Grafana asks it, with rates over `window`."""
        return self.expr.replace("$__rate_interval", window)


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS}


def panel_queries() -> list[Query]:
    """Every question of every panel."""
    return [
        Query(name, panel["title"], target["expr"], tuple(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])))
        for name, dashboard in dashboards().items()
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]


def rule_queries() -> list[Query]:
    """Every condition of an alert."""
    return [
        Query(path.stem, rule["alert"], rule["expr"])
        for path in RULES
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
