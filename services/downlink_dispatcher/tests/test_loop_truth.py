"""Whether a display shows what it should, by the rules alone: what counts, what follows, and how often."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink_dispatcher.domain import alerting, truth
from downlink_dispatcher.domain.display import Display
from downlink_dispatcher.domain.reports import read_report
from downlink_dispatcher.domain.truth import (
    GIVEN_UP_PAUSE,
    JOIN_ACCEPT,
    STUCK_PAUSE,
    Aired,
    Heard,
    Rules,
    Verdict,
    judge,
)
from parking_codecs.registry import load_registry
from parking_contracts.display import DisplayReported

T0 = datetime(2026, 7, 22, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = Rules(attempts=3, pause=5 * SECOND)
RED = b"\xff\x00\x00"
RED_COMMAND = {"command": "colour", "red": 255, "green": 0, "blue": 0, "on_centiseconds": 255, "off_centiseconds": 0}
CODECS = load_registry().displays


def at(seconds: float) -> datetime:
    return T0 + seconds * SECOND


def display(**changes: Any) -> Display:
    """One that was sent red and is in its session since T0."""
    given = {
        "tenant_id": UUID(int=1),
        "dev_eui": "2020200000000001",
        "codec": "generic_rgb",
        "created_at": T0,
        "desired_version": 4,
        "desired": "occupied",
        "desired_command": RED_COMMAND,
        "desired_f_port": 1,
        "desired_payload": RED,
        "sent_version": 4,
        "shown_payload": RED,
        "sent_at": at(9),
        "session_at": T0,
        "f_cnt": 7,
    }
    return Display(**given | changes)


def frame(seconds: float = 20, f_cnt: int = 8, **changes: Any) -> Heard:
    return Heard(**{"received_at": at(seconds), "session_at": T0, "f_cnt": f_cnt, "is_readable": True} | changes)


ON_AIR = Aired(RED, at(10))


@pytest.mark.parametrize(
    ("told", "aired", "verdict"),
    [
        (frame(shows=True), ON_AIR, Verdict.RIGHT),
        (frame(shows=False), ON_AIR, Verdict.WRONG),
        (frame(shows=None), ON_AIR, Verdict.PLAUSIBLE),
        (frame(shows=None, is_readable=False), ON_AIR, Verdict.NOTHING),
        (frame(shows=False, is_activation=True), ON_AIR, Verdict.WRONG),
        (frame(9.5, shows=False), ON_AIR, Verdict.TOO_OLD),
        (frame(9.5, shows=True), ON_AIR, Verdict.TOO_OLD),
        (frame(shows=False), Aired(RED, None), Verdict.TOO_OLD),
        (frame(shows=False), None, Verdict.WRONG),
        (frame(f_cnt=0, session_at=at(15), shows=False), ON_AIR, Verdict.GONE),
        (frame(f_cnt=0, session_at=at(15), is_readable=False), ON_AIR, Verdict.GONE),
        (frame(f_cnt=0, session_at=at(15), shows=True), ON_AIR, Verdict.RIGHT),
        (frame(5, f_cnt=0, session_at=at(5), shows=False), ON_AIR, Verdict.TOO_OLD),
    ],
)
def test_a_frame_means_what_it_can_mean(told: Heard, aired: Aired | None, verdict: Verdict) -> None:
    assert judge(display(), told, aired) is verdict


@pytest.mark.parametrize(
    "changes",
    [{"desired": None}, {"desired_version": 5}, {"sent_version": 0, "shown_payload": None}],
    ids=["nothing to show", "not sent yet", "sent again by command"],
)
def test_a_display_that_waits_for_its_state_is_not_judged(changes: dict[str, Any]) -> None:
    assert judge(display(**changes), frame(shows=False), ON_AIR) is Verdict.NOTHING


def test_a_wrong_display_is_corrected_at_once_then_at_a_distance_then_seldom() -> None:
    one, due = display(), []
    for _ in range(5):
        now = at(100)
        one = truth.corrected(msgspec.structs.replace(one, due_at=None), now, RULES)
        assert one.due_at is not None
        due.append(one.due_at - now)
        one = msgspec.structs.replace(one, sent_version=4, shown_payload=RED)
    assert due == [0 * SECOND, 5 * SECOND, 10 * SECOND, 10 * SECOND + STUCK_PAUSE, 10 * SECOND + 2 * STUCK_PAUSE]
    assert (one.mended, one.is_right, one.alerted_at) == (5, False, at(100))


def test_a_display_that_is_right_and_wrong_by_turns_is_corrected_at_a_distance() -> None:
    one, sent = display(sent_at=at(9)), [9.0]
    for second in range(10, 60):
        one = truth.corrected(truth.confirmed(one), at(second), RULES)
        if one.due_at is not None and one.due_at <= at(second):
            one = msgspec.structs.replace(one, due_at=None, sent_at=at(second))
            sent.append(second)
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(sent))
    assert len(sent) > 5


def test_a_display_becomes_an_alert_once_and_the_alert_ends_when_it_is_right() -> None:
    one, news = display(), []
    for step in (*[lambda d: truth.corrected(d, at(100), RULES)] * 6, truth.confirmed, truth.confirmed):
        before, one = one, step(one)
        news.append(alerting.news(before, one, at(100)))
    told = [alert for alert in news if alert is not None]
    assert [alert.is_open for alert in told] == [True, False]
    assert (told[0].key, told[0].kind) == ("2020200000000001:display_stuck", "display_stuck")
    assert (one.mended, one.alerted_at, one.is_right) == (0, None, True)


def test_a_right_report_spares_the_correction_that_waits() -> None:
    wrong = truth.corrected(truth.corrected(display(), at(20), RULES), at(21), RULES)
    assert (wrong.sent_version, wrong.due_at) == (0, at(20))
    assert judge(wrong, frame(22, 9, shows=False), ON_AIR) is Verdict.NOTHING
    assert judge(wrong, frame(22, 9, shows=True), ON_AIR) is Verdict.RIGHT
    right = truth.confirmed(wrong)
    assert (right.sent_version, right.shown_payload) == (right.desired_version, RED)


def test_a_display_that_started_anew_is_sent_to_again_and_not_blamed() -> None:
    again = truth.restarted(display(mended=2), at(60), RULES)
    assert (again.sent_version, again.shown_payload, again.due_at, again.mended) == (0, None, at(60), 2)
    # One that starts anew all the time is not followed any faster than others.
    assert truth.restarted(display(sent_at=at(58)), at(60), RULES).due_at == at(63)


def test_a_join_sends_again_once_it_is_let_in_and_told_twice_once() -> None:
    joined = truth.joined(display(), at(60), ON_AIR, at(61))
    assert (joined.sent_version, joined.due_at, joined.is_right) == (0, at(60) + JOIN_ACCEPT, None)
    sent = msgspec.structs.replace(joined, sent_version=4, shown_payload=RED, due_at=None)
    assert truth.joined(sent, at(60), ON_AIR, at(80)) == sent
    assert truth.joined(sent, at(59), ON_AIR, at(80)) == sent


def test_a_join_told_after_the_state_was_sent_again_changes_nothing_that_is_sent() -> None:
    one = display()
    joined = truth.joined(one, at(1), Aired(RED, at(10)), at(11))
    assert joined == msgspec.structs.replace(one, joined_at=at(1))


def test_a_state_that_was_lost_is_sent_again_only_to_a_display_that_is_there() -> None:
    there, gone = display(heard_at=at(12)), display(heard_at=at(2))
    assert truth.lost(there, at(9), at(60), RULES, can_help=True).due_at == at(60)
    waiting = truth.lost(gone, at(9), at(60), RULES, can_help=True)
    assert (waiting.due_at, waiting.sent_version) == (None, 0)
    heard = truth.heard(waiting, frame(90), "0016c001f153a14c", at(91))
    assert (heard.due_at, heard.gateway_id) == (at(91), "0016c001f153a14c")
    useless = truth.lost(there, at(9), at(60), RULES, can_help=False)
    assert (useless.due_at, useless.failed_at) == (at(60) + GIVEN_UP_PAUSE, at(60))
    assert truth.heard(useless, frame(90), None, at(91)).due_at == useless.due_at


frames = st.builds(
    Heard,
    received_at=st.integers(-30, 60).map(at),
    session_at=st.sampled_from([at(-20), T0, at(15)]),
    f_cnt=st.integers(0, 12),
    shows=st.sampled_from([True, False, None]),
    is_readable=st.booleans(),
    is_activation=st.booleans(),
)


@given(frames)
def test_a_frame_from_before_what_was_sent_last_sends_nothing_again(told: Heard) -> None:
    verdict = judge(display(), told, ON_AIR)
    if told.received_at < ON_AIR.at:
        assert verdict is Verdict.TOO_OLD


@given(frames, frames)
def test_a_frame_is_news_once_and_in_its_order(first: Heard, second: Heard) -> None:
    one = truth.heard(display(session_at=None, f_cnt=None), first, None, T0)
    assert not truth.is_news(one, first)
    assert truth.is_news(one, second) == ((second.session_at, second.f_cnt) > (first.session_at, first.f_cnt))


@given(st.lists(frames, min_size=10, max_size=30))
def test_a_stuck_display_is_never_hammered(told: list[Heard]) -> None:
    """However often it says that it is wrong: after the first corrections there is one in ten minutes."""
    one, due = display(), []
    for wrong in sorted(told, key=lambda each: each.received_at):
        if judge(one, msgspec.structs.replace(wrong, shows=False, session_at=T0), ON_AIR) is Verdict.WRONG:
            one = truth.corrected(msgspec.structs.replace(one, due_at=None), wrong.received_at, RULES)
            due.append(one.due_at)
            one = msgspec.structs.replace(one, sent_version=4, shown_payload=RED)
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert all(gap >= RULES.pause for gap in gaps)
    assert all(gap >= STUCK_PAUSE for gap in gaps[RULES.attempts - 1 :])


def reported(data: bytes, f_port: int = 1, codec: str = "generic_rgb") -> DisplayReported:
    return DisplayReported(
        tenant_id=UUID(int=1),
        dev_eui="2020200000000001",
        codec=codec,
        gateway_id=None,
        session_at=T0,
        f_cnt=8,
        f_port=f_port,
        data=data,
        received_at=at(20),
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (reported(RED), (True, True, False)),
        (reported(b"\x00\xff\x00"), (False, True, False)),
        (reported(b""), (None, False, False)),
        (reported(RED, f_port=0), (None, False, False)),
        (reported(b"\x01"), (None, False, False)),
    ],
    ids=["right", "wrong", "no data", "MAC only", "unreadable"],
)
def test_a_light_is_read_and_compared(event: DisplayReported, expected: tuple[bool | None, bool, bool]) -> None:
    told, kept = read_report(event, CODECS["generic_rgb"], RED_COMMAND)
    assert (told.shows, told.is_readable, told.is_activation) == expected
    assert (kept is not None) == told.is_readable


def test_a_sign_that_has_just_started_shows_nothing() -> None:
    told, kept = read_report(
        reported(b"\xff\xc3", codec="heltec_sign"), CODECS["heltec_sign"], {"command": "state", "state": "free"}
    )
    assert (told.is_activation, told.shows) == (True, False)
    assert kept == {"kind": "activation", "attributes": {}}


def test_a_wish_of_another_codec_is_not_compared() -> None:
    told, _ = read_report(reported(RED), CODECS["generic_rgb"], {"command": "state", "state": "free"})
    assert (told.shows, told.is_readable) == (None, True)
