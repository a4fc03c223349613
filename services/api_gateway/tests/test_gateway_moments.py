"""Moments beyond what UTC can hold are 422 on every route that takes one; the furthest within are answered."""

from typing import Any
from uuid import UUID

import pytest

from stack.gateways import GatewayPair

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEYOND = (
    "1798632000",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    "2026-05-04T10:00:00",
)
FURTHEST = ("1970-01-01T00:00:00+14:00", "9998-12-31T23:59:59-14:00")
SOME = str(UUID(int=7))
DEVICE = "70b3d57ed0061a2b"
IN_QUERIES = [
    ("/api/v6/audit", "from"),
    ("/api/v6/audit", "to"),
    ("/api/v6/reservations", "from"),
    ("/api/v6/reservations", "to"),
    (f"/api/v6/spaces/{SOME}/timeline", "from"),
    (f"/api/v6/spaces/{SOME}/timeline", "to"),
    (f"/api/v6/devices/{DEVICE}/readings", "from"),
    (f"/api/v6/devices/{DEVICE}/readings", "to"),
    ("/api/v6/statistics/occupancy?interval=hour", "since"),
    ("/api/v6/statistics/occupancy?interval=quarter", "until"),
    ("/api/v6/statistics/at", "at"),
]
KEY = {"name": "screen", "scopes": ["spaces:read"]}
BOOKING = {"space_id": SOME, "email": "ada@example.org", "starts_at": "2026-05-04T10:00:00Z"}
IN_BODIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/api/v6/api-keys", KEY, "expires_at"),
    ("PUT", f"/api/v6/spaces/{SOME}/state", {"state": "maintenance"}, "until"),
    ("POST", f"/api/v6/devices/{DEVICE}/redecode", {}, "since"),
    ("POST", f"/api/v6/webhooks/{SOME}/replay", {}, "since"),
    ("POST", "/api/v6/reservations", BOOKING, "starts_at"),
    ("POST", "/api/v6/reservations", BOOKING, "ends_at"),
    ("POST", f"/api/v6/spaces/{SOME}/availability", {"starts_at": "2026-05-04T10:00:00Z"}, "ends_at"),
]


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.mark.parametrize("moment", BEYOND)
@pytest.mark.parametrize(("path", "name"), IN_QUERIES)
async def test_a_parameter_beyond_every_clock_is_422(gateways: GatewayPair, path: str, name: str, moment: str) -> None:
    url, _, query = path.partition("?")
    params = dict([query.split("=")] if query else []) | {name: moment}
    answer = await gateways.first.get(url, params=params, headers=gateways.admin)
    assert answer.status_code == 422, answer.text
    assert f"query.{name}" in [error["field"] for error in answer.json()["details"]["errors"]]


@pytest.mark.parametrize("moment", BEYOND)
@pytest.mark.parametrize(("method", "path", "body", "name"), IN_BODIES)
async def test_a_field_beyond_every_clock_is_422(
    gateways: GatewayPair, method: str, path: str, body: dict[str, Any], name: str, moment: str
) -> None:
    answer = await gateways.first.request(method, path, json={**body, name: moment}, headers=gateways.admin)
    assert answer.status_code == 422, answer.text
    assert f"body.{name}" in [error["field"] for error in answer.json()["details"]["errors"]]


@pytest.mark.parametrize("moment", FURTHEST)
@pytest.mark.parametrize(("path", "name"), IN_QUERIES)
async def test_the_furthest_moments_are_answered(gateways: GatewayPair, path: str, name: str, moment: str) -> None:
    url, _, query = path.partition("?")
    params = dict([query.split("=")] if query else []) | {name: moment}
    answer = await gateways.first.get(url, params=params, headers=gateways.admin)
    assert answer.status_code in {200, 404, 422}, answer.text


async def test_a_key_may_last_as_long_as_a_clock_can_tell(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    body = {**KEY, "expires_at": FURTHEST[1]}
    made = await gateways.first.post("/api/v6/api-keys", json=body, headers=admin.headers)
    assert made.status_code == 201, made.text
    assert (await gateways.first.get(made.headers["location"], headers=admin.headers)).status_code == 200
