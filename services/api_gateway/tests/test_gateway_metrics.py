"""Requests are counted by the template of their route, so that no client makes new series."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from api_gateway import metrics


def counted(scope: dict[str, Any], route: str, method: str) -> float:
    labels = {"method": method, "route": route, "status": "200"}
    before = REGISTRY.get_sample_value("parkstream_gateway_requests_total", labels) or 0.0
    metrics.observe_request(scope, 200, 0.01)
    return (REGISTRY.get_sample_value("parkstream_gateway_requests_total", labels) or 0.0) - before


@pytest.mark.parametrize(
    ("scope", "route", "method"),
    [
        ({"method": "GET", "path": "/a/1", "route": SimpleNamespace(path="/a/{id}"), "endpoint": 1}, "/a/{id}", "GET"),
        ({"method": "GET", "path": "/ready", "endpoint": 1, "path_params": {}}, "/ready", "GET"),
        ({"method": "GET", "path": "/file/x", "endpoint": 1, "path_params": {"name": "x"}}, "unmatched", "GET"),
        ({"method": "GET", "path": "/wp-login.php"}, "unmatched", "GET"),
        ({"method": "BREW", "path": "/coffee"}, "unmatched", "other"),
    ],
    ids=["of the API", "a probe", "with parameters and no template", "unknown", "unknown method"],
)
def test_a_request_is_counted_under_its_template(scope: dict[str, Any], route: str, method: str) -> None:
    assert counted(scope, route, method) == 1
