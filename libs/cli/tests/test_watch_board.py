"""The board that `watch` shows: versions decide what is news, and the latest change is on top."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from parking_contracts.space import Layer, SpaceCreated, SpaceDeleted, SpaceState, SpaceStateChanged, SpaceView
from parkstream.board import Board, ListedSpace, Site
from parkstream.gateway_client import ServerSentEvent, read_events

TENANT, SITE = uuid4(), uuid4()
NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)


def listed(code: str, state: SpaceState = SpaceState.FREE, version: int = 1) -> ListedSpace:
    return ListedSpace(
        id=UUID(int=int(code[1:])),
        site_id=SITE,
        code=code,
        name=f"Bay {code}",
        state=state,
        state_layer="sensor",
        state_since=NOW,
        version=version,
    )


def state_changed(code: str, state: SpaceState, version: int) -> ServerSentEvent:
    event = SpaceStateChanged(
        tenant_id=TENANT,
        site_id=SITE,
        space_id=UUID(int=int(code[1:])),
        code=code,
        zone=None,
        kind="standard",
        previous=SpaceState.FREE,
        state=state,
        layer=Layer.SENSOR,
        reason="",
        source="uplink",
        cause="uplink:0101010101010101:7",
        request_id=None,
        occurred_at=NOW,
        changed_at=NOW,
        version=version,
    )
    return ServerSentEvent("space.state_changed", msgspec.json.encode(event).decode(), f"{version}.0")


def board(*spaces: ListedSpace) -> Board:
    made = Board()
    made.load(list(spaces), [Site(SITE, "Street")])
    return made


def test_a_change_moves_a_space_to_the_top_and_is_counted() -> None:
    watched = board(listed("A1"), listed("A2"), listed("A3"))
    change = watched.apply(state_changed("A3", SpaceState.OCCUPIED, 2))
    assert change is not None
    assert (change.previous, change.space.state, change.space.name) == (SpaceState.FREE, SpaceState.OCCUPIED, "Bay A3")
    watched.apply(state_changed("A2", SpaceState.RESERVED, 2))
    assert [each.space.code for each in watched.latest(10)] == ["A2", "A3"]
    assert [each.space.code for each in watched.latest(1)] == ["A2"]
    assert watched.counts() == {
        SpaceState.FREE: 1,
        SpaceState.OCCUPIED: 1,
        SpaceState.RESERVED: 1,
        SpaceState.MAINTENANCE: 0,
        SpaceState.UNKNOWN: 0,
    }


@pytest.mark.parametrize("version", [1, 4, 5])
def test_what_is_not_newer_is_no_news(version: int) -> None:
    watched = board(listed("A1", version=5))
    assert watched.apply(state_changed("A1", SpaceState.OCCUPIED, version)) is None
    assert watched.counts()[SpaceState.OCCUPIED] == 0


def test_a_space_that_is_new_to_us_is_taken_in() -> None:
    watched = board()
    assert watched.apply(state_changed("A9", SpaceState.OCCUPIED, 3)) is not None
    assert [each.space.code for each in watched.latest(5)] == ["A9"]
    assert [space.code for space in watched.by_site()["Street"]] == ["A9"]


def test_spaces_come_and_go() -> None:
    view = SpaceView(
        tenant_id=TENANT,
        id=UUID(int=4),
        site_id=SITE,
        code="A4",
        name="Bay A4",
        state=SpaceState.FREE,
        state_layer=Layer.DEFAULT,
        state_since=NOW,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    created = ServerSentEvent("space.created", msgspec.json.encode(SpaceCreated(space=view)).decode(), "1.0")
    gone = SpaceDeleted(
        tenant_id=TENANT, site_id=SITE, space_id=view.id, code="A4", zone=None, version=2, deleted_at=NOW
    )
    deleted = ServerSentEvent("space.deleted", msgspec.json.encode(gone).decode(), "2.0")
    watched = board()
    watched.apply(created)
    assert [space.name for space in watched.by_site()["Street"]] == ["Bay A4"]
    watched.apply(deleted)
    assert watched.by_site() == {}


def test_an_event_of_another_kind_is_passed_over() -> None:
    watched = board(listed("A1"))
    assert watched.apply(ServerSentEvent("reservation.opened", "{}", "7.1")) is None


async def test_a_stream_of_events_is_taken_apart() -> None:
    text = [
        ": a comment",
        "",
        "event: space.state_changed",
        "id: 7.3",
        'data: {"a":',
        "data:1}",
        "",
        "event: reset",
        "data:",
        "",
        "event: nothing",
        "",
        "data: plain",
        "",
        "data: cut off",
    ]

    async def lines() -> AsyncIterator[str]:
        for line in text:
            yield line

    assert [event async for event in read_events(lines())] == [
        ServerSentEvent("space.state_changed", '{"a":\n1}', "7.3"),
        ServerSentEvent("reset", "", "7.3"),
        ServerSentEvent("message", "plain", "7.3"),
    ]
