"""What goes next to a display: tables of situations, and properties that hold in all of them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink_dispatcher.domain.display import Display
from downlink_dispatcher.domain.retries import Retries
from downlink_dispatcher.domain.turns import Rest, Send, Settle, Waiting, next_turn

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPACING = timedelta(milliseconds=100)
RED, GREEN = b"red", b"green"


def display(**columns: object) -> Display:
    """A display that shows green and shall show red."""
    given = {
        "tenant_id": UUID(int=1),
        "dev_eui": "0202020202020202",
        "codec": "kuando_busylight",
        "created_at": NOW,
        "desired": "occupied",
        "desired_payload": RED,
        "desired_f_port": 15,
        "desired_version": 2,
        "sent_version": 1,
        "shown_payload": GREEN,
        "sent_at": NOW - SECOND,
    }
    return Display(**given | columns)


def waiting(kind: str = "custom", **columns: object) -> Waiting:
    given = {"id": uuid4(), "kind": kind, "f_port": 15, "payload": RED, "expires_at": NOW + SECOND}
    return Waiting(**given | columns)


HEAD = waiting()
LATER = waiting(next_attempt_at=NOW + 5 * SECOND)
TRIED = waiting("state", version=2, next_attempt_at=NOW)
TRIED_LATER = waiting("state", version=2, next_attempt_at=NOW + 3 * SECOND)
OF_BEFORE = waiting("state", version=1, next_attempt_at=NOW + 3 * SECOND)
REFUSED = waiting("state", version=1, payload=GREEN)
PERHAPS = waiting("state", version=1, payload=GREEN, tried_at=NOW - SECOND)
OVER = waiting("state", version=2, expires_at=NOW)


@pytest.mark.parametrize(
    ("columns", "head", "state", "expected"),
    [
        pytest.param({}, None, None, Send(), id="a state that is ahead is sent"),
        pytest.param({}, HEAD, None, Send(HEAD), id="the queue goes before the state"),
        pytest.param({}, LATER, None, Send(), id="the state goes while the queue's head waits to be tried again"),
        pytest.param({"sent_version": 2}, None, None, Rest(), id="nothing is ahead"),
        pytest.param({"sent_version": 2}, LATER, None, Rest(NOW + 5 * SECOND), id="only the head waits"),
        pytest.param({"desired_payload": None}, None, None, Rest(), id="a wish that was withdrawn"),
        pytest.param({"shown_payload": RED}, None, None, Settle(), id="it shows that already"),
        pytest.param({"shown_payload": RED, "sent_version": 0}, None, None, Send(), id="nobody knows what it shows"),
        pytest.param({"shown_payload": RED}, None, REFUSED, Settle(), id="what was refused in between is not shown"),
        pytest.param({"shown_payload": RED}, None, PERHAPS, Send(), id="what went out before a crash may be shown"),
        pytest.param({"shown_payload": RED}, LATER, None, Settle(NOW + 5 * SECOND), id="settled while the head waits"),
        pytest.param({"sent_at": NOW}, None, None, Rest(NOW + SPACING), id="right behind the last one"),
        pytest.param({"sent_at": NOW}, LATER, None, Rest(NOW + SPACING), id="spacing ends before the head's pause"),
        pytest.param({"sent_at": None}, None, None, Send(), id="the first one ever"),
        pytest.param({}, None, TRIED, Send(TRIED), id="tried again in its own row"),
        pytest.param({}, None, TRIED_LATER, Rest(NOW + 3 * SECOND), id="tried again later"),
        pytest.param({}, None, OF_BEFORE, Send(), id="what failed was of an earlier wish"),
        pytest.param({}, None, OVER, Send(), id="the row's time is over, the desired state's is not"),
    ],
)
def test_the_next_turn(columns: dict[str, object], head: Waiting | None, state: Waiting | None, expected: object):
    tried = [state] if state is not None else []
    assert next_turn(display(**columns), head, tried, NOW, SPACING) == expected


versions = st.integers(0, 5)
payloads = st.sampled_from([None, RED, GREEN])
moments = st.none() | st.integers(-5, 5).map(lambda seconds: NOW + seconds * SECOND)


@given(desired=versions, sent=versions, wanted=payloads, shown=payloads, sent_at=moments, retry_at=moments)
def test_a_display_rests_for_good_only_when_nothing_is_left(desired, sent, wanted, shown, sent_at, retry_at):
    one = display(
        desired_version=desired, sent_version=sent, desired_payload=wanted, shown_payload=shown, sent_at=sent_at
    )
    head = waiting(next_attempt_at=retry_at) if retry_at is not None else None
    turn = next_turn(one, head, [], NOW, SPACING)
    is_left = wanted is not None and desired > sent
    match turn:
        case Rest(until=None):
            assert head is None
            assert not is_left
        case Rest(until=until):
            assert until > NOW
        case Send(waiting=None):
            assert is_left
            assert shown != wanted or sent == 0
        case Settle():
            assert shown == wanted


@given(failed=st.integers(1, 30), draw=st.floats(0, 1))
def test_pauses_double_within_their_bounds_and_end_in_giving_up(failed: int, draw: float):
    retries = Retries(5, 2 * SECOND, 60 * SECOND)
    pause = retries.pause_after(failed, draw)
    if failed >= 5:
        assert pause is None
    else:
        plain = 2 * SECOND * 2 ** (failed - 1)
        assert plain * 0.75 <= pause <= min(60 * SECOND, plain * 1.25)
