"""Lists: sorted by what a client names, paged with links that lead on, searched, and cursors that cannot be made up."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.http.cursors import make_cursor, read_cursor
from api_gateway.http.sorting import order_by

SPACES = "/api/v6/spaces"


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


def links(answer: httpx.Response) -> dict[str, str]:
    return {name: path for path, name in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("link", ""))}


@pytest.fixture
async def street(registry, tenant_id) -> uuid.UUID:
    site = await registry.site(tenant_id)
    for number in range(7):
        zone = [None, "a", "b"][number % 3]
        await registry.space(tenant_id, site, code=f"B{number}", name=f"Bay {6 - number}", zone=zone)
    return site


async def test_spaces_are_sorted_by_what_is_named(api, street, subtests) -> None:
    asked = {
        "": "0123456",
        "sort=-code": "6543210",
        "sort=name": "6543210",
        "sort=zone,-code": "4152630",
        "sort=-zone,code": "2514036",
        "sort=code,code,-code": "0123456",
    }
    for query, codes in asked.items():
        with subtests.test(query):
            items = (await api.get(f"{SPACES}?{query}")).json()["items"]
            assert "".join(one["code"][1] for one in items) == codes


async def test_what_cannot_be_sorted_by_is_named(api, subtests) -> None:
    for sort in ("colour", "code;drop", "code,", "--code", "", "metadata", "code desc", "code,name," * 40):
        with subtests.test(sort):
            answer = await api.get(SPACES, params={"sort": sort})
            assert answer.status_code == 422
            assert [error["field"] for error in answer.json()["details"]["errors"]] == ["query.sort"]


def test_an_order_is_total() -> None:
    assert order_by(("a", "b"), "b", "id") == "b, id"
    assert order_by(("a", "b"), "-b,a,b", "id") == "b DESC NULLS LAST, a, id"
    assert order_by(("id",), "-id", "id") == "id DESC NULLS LAST"


async def test_links_lead_through_every_page_and_back(api, street) -> None:
    path, seen, pages = f"{SPACES}?sort=zone&limit=3", [], 0
    while path:
        answer = await api.get(path)
        seen += [one["code"] for one in answer.json()["items"]]
        pages += 1
        previous, path = links(answer).get("prev"), links(answer).get("next")
    assert pages == 3
    assert sorted(seen) == [f"B{number}" for number in range(7)]
    assert previous is not None
    first = await api.get((links(await api.get(previous)))["prev"])
    assert [one["code"] for one in first.json()["items"]] == seen[:3]
    assert "prev" not in links(first)
    assert "link" not in (await api.get(f"{SPACES}?zone=nowhere")).headers


async def test_a_text_is_searched_in_code_and_name(api, street, registry, tenant_id, subtests) -> None:
    for query, count in (("q=b3", 1), ("q=bay 3", 1), ("q=BAY", 7), ("q=b", 7), ("q=%25", 0), ("q=_", 0)):
        with subtests.test(query):
            assert (await api.get(f"{SPACES}?{query}")).json()["total"] == count
    assert (await api.get("/api/v6/sites?q=market")).json()["total"] == 1
    await registry.device(tenant_id, "70b3d57ed0061a2b")
    assert (await api.get("/api/v6/devices?q=0061A")).json()["total"] == 1


async def test_every_list_of_these_nouns_takes_its_own_orders(api, street, registry, tenant_id, subtests) -> None:
    await registry.device(tenant_id, "70b3d57ed0061a2b")
    document = (await api.get("/openapi.json")).json()
    for path in (
        "/api/v6/spaces",
        "/api/v6/sites",
        "/api/v6/devices",
        "/api/v6/devices/orphans",
        "/api/v6/applications",
    ):
        sort = next(one for one in document["paths"][path]["get"]["parameters"] if one["name"] == "sort")
        for name in re.findall(r"`(\w+)`", sort["description"]):
            with subtests.test(f"{path} {name}"):
                answer = await api.get(path, params={"sort": f"-{name},{name}"})
                assert answer.status_code == 200, answer.text


KEYS = st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.integers(-(2**63), 2**63 - 1))


@given(KEYS)
def test_a_cursor_comes_back_as_it_went(key: tuple[datetime, uuid.UUID, int]) -> None:
    text = make_cursor(key, "timeline", "tenant")
    assert re.fullmatch(r"[\w-]{1,500}", text)
    assert read_cursor(text, tuple[datetime, uuid.UUID, int], "timeline", "tenant") == key


@given(KEYS, st.integers(0, 10_000), st.integers(1, 63))
def test_a_cursor_that_was_changed_is_refused(key: Any, place: int, shift: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = make_cursor(key, "timeline")
    at = place % (len(text) - 1)  # the last character may hold bits that mean nothing
    other = alphabet[(alphabet.index(text[at]) + shift) % 64]
    with pytest.raises(RequestValidationError):
        read_cursor(text[:at] + other + text[at + 1 :], tuple[datetime, uuid.UUID, int], "timeline")


@pytest.mark.parametrize("text", ["", "a", "====", "é", "\x00", "null", "A" * 499, "..", "WzFd"])
def test_a_cursor_that_nobody_made_is_refused(text: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        read_cursor(text, tuple[int], "timeline")
    assert refused.value.errors()[0]["loc"] == ("query", "cursor")


def test_a_cursor_of_another_list_or_tenant_or_kind_is_refused() -> None:
    text = make_cursor((1,), "timeline", "tenant")
    for bound in (("audit", "tenant"), ("timeline", "other"), ("timeline",)):
        with pytest.raises(RequestValidationError):
            read_cursor(text, tuple[int], *bound)
    with pytest.raises(RequestValidationError):
        read_cursor(text, tuple[str], "timeline", "tenant")
    assert read_cursor(None, tuple[int], "timeline") is None
