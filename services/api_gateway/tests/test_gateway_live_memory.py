"""The pure parts of the live stream: event ids, what an event is, versions passed, and the ring."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.live.announcement import (
    EVENT_NAMES,
    Announcement,
    PassedVersions,
    UnreadableEventError,
    read_announcement,
)
from api_gateway.live.position import RESERVATIONS, SPACES, EventIds, Place, Restore, moved
from api_gateway.live.ring import Ring
from parking_contracts import alert, reservation, space

TENANT, SPACE, SITE = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)
CHANGED = {"ce-type": "parkstream.space.state_changed.v1"}


def announce(stream: int, sequence: int, *, version: int | None = 1, name: str = "space.updated") -> Announcement:
    return Announcement(
        stream=stream,
        sequence=sequence,
        tenant_id=TENANT,
        space_id=SPACE,
        site_id=SITE,
        zone=None,
        version=version,
        name=name,
        body=b"x" * 10,
    )


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_an_event_id_reads_back(spaces: int, reservations: int) -> None:
    for ids in (EventIds(), EventIds([Restore(1763823600, (0, 0))])):
        assert ids.read(ids.of((spaces, reservations))) == Place((spaces, reservations))


def test_what_a_client_heard_beyond_a_restores_end_is_told_from_what_came_after_it() -> None:
    ids = EventIds([Restore(100, (50, 8)), Restore(200, (70, 9))])
    assert ids.of((71, 9)) == "71.9.200"
    assert ids.read("50.8") == Place((50, 8))
    assert ids.read("51.8") == Place((50, 8), is_undone=True)
    assert ids.read("71.9.200") == Place((71, 9))
    assert ids.read("60.9.100") == Place((60, 9))
    assert ids.read("60.10.100") == Place((60, 9), is_undone=True)


def test_an_id_of_a_restore_that_was_itself_undone_is_behind_no_event_of_ours() -> None:
    assert EventIds([Restore(300, (50, 8))]).read("40.7.200") == Place((50, 8), is_undone=True)
    assert EventIds().read("40.7.200").is_undone


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "1.2.3.4", "1.2.", "-1.2", "1.2\n", "x.y", "\u0661.2", "9" * 19 + ".1"]
)
def test_another_text_is_no_event_id(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 1042\.17"):
        EventIds().read(text)


def test_the_kinds_that_can_be_asked_for_are_those_of_the_contracts() -> None:
    types = (space.EVENT_TYPES | alert.EVENT_TYPES | reservation.EVENT_TYPES).values()
    assert [f"parkstream.{name}.v1" for name in EVENT_NAMES] == list(types)


def test_an_alert_of_a_space_is_read_without_a_version_and_never_passed() -> None:
    headers = {"ce-type": "parkstream.space.alert_opened.v1"}
    data = {"tenant_id": str(TENANT), "space_id": str(SPACE), "site_id": str(SITE), "zone": "visitors"}
    event = read_announcement(SPACES, 5, headers, json.dumps(data).encode())
    assert (event.name, event.site_id, event.zone, event.version) == ("space.alert_opened", SITE, "visitors", None)
    passed = PassedVersions(10)
    assert not passed.is_passed(event)
    assert not passed.is_passed(event)


def test_a_whole_space_and_a_change_are_both_read_and_kept_on_one_line() -> None:
    place = {"tenant_id": str(TENANT), "site_id": str(SITE), "zone": "visitors", "version": 7, "later": "field"}
    change = json.dumps({**place, "space_id": str(SPACE)}, indent=1).encode()
    update = json.dumps({"space": {**place, "id": str(SPACE)}}).encode()
    for data in (change, update):
        event = read_announcement(SPACES, 5, CHANGED, data)
        assert (event.tenant_id, event.space_id, event.site_id) == (TENANT, SPACE, SITE)
        assert (event.zone, event.version, event.name) == ("visitors", 7, "space.state_changed")
        assert event.body.count(b"\n") == 3
        assert event.body.endswith(b"\n\n")


@pytest.mark.parametrize(
    ("headers", "data"),
    [(None, b"{}"), ({"ce-type": "other.v1"}, b"{}"), (CHANGED, b"{}"), (CHANGED, b"\xff"), (CHANGED, b"[1]")],
)
def test_a_message_that_is_no_event_of_ours(headers, data: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        read_announcement(SPACES, 1, headers, data)


def test_a_version_passes_once_for_each_kind_of_event() -> None:
    passed = PassedVersions(10)
    heard = [(1, "space.created"), (2, "space.updated"), (2, "space.state_changed"), (2, "space.updated")]
    heard += [(1, "space.created"), (3, "space.updated")]
    answers = [passed.is_passed(announce(SPACES, 1, version=version, name=name)) for version, name in heard]
    assert answers == [False, False, False, True, True, False]
    assert not passed.is_passed(announce(RESERVATIONS, 1, version=None))


@given(st.lists(st.sampled_from([SPACES, RESERVATIONS]), max_size=60), st.integers(1, 8))
def test_from_a_covered_position_the_ring_holds_everything_after(streams: list[int], count: int) -> None:
    ring = Ring(count=count, size_bytes=1000)
    last = (0, 0)
    positions = [last]
    appended = []
    for stream in streams:
        last = moved(last, stream, last[stream] + 1)
        appended.append(announce(stream, last[stream]))
        ring.append(appended[-1])
        positions.append(last)
    assert len(ring) <= count
    assert ring.position == last
    for position in positions:
        after = [one for one in appended if one.sequence > position[one.stream]]
        kept = [one for one, _ in ring if one.sequence > position[one.stream]]
        assert (kept == after) or not ring.covers(position)
    assert ring.covers(last)


def test_the_ring_is_bounded_in_bytes() -> None:
    ring = Ring(count=100, size_bytes=35)
    for sequence in range(1, 10):
        ring.append(announce(SPACES, sequence))
    assert len(ring) == 3
    assert ring.floor == (6, 0)
