"""What becomes of a command, by the rules alone: every status, and what comes again or out of order."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink_dispatcher.domain.outcomes import (
    ENDED,
    Outcome,
    Standing,
    acknowledged,
    logged,
    overdue,
    shown,
    transmitted,
    unanswered,
)
from parking_contracts.downlink import DownlinkStatus as S

AT = datetime(2026, 7, 22, 16, tzinfo=UTC)
EVENTS = ("txack", "ack", "nack", "expired", "too_large", "gateway", "shown", "overdue")


def told(event: str, command: Standing) -> Outcome | None:
    match event:
        case "txack":
            return transmitted(command)
        case "ack":
            return acknowledged(command)
        case "nack":
            return unanswered(command)
        case "expired":
            return logged(command, "EXPIRED", "too late")
        case "too_large":
            return logged(command, "DOWNLINK_PAYLOAD_SIZE", "51 bytes at most")
        case "gateway":
            return logged(command, "DOWNLINK_GATEWAY", "TX_FREQ")
        case "shown":
            return shown(command)
    return overdue(command)


def after(command: Standing, event: str) -> Standing:
    """The command once an event was applied, as the service applies it."""
    outcome = told(event, command)
    if event == "txack" and command.transmitted_at is None:
        command = msgspec.structs.replace(command, transmitted_at=AT)
    if outcome is None:
        return command
    noted = outcome.detail if outcome.is_wrong else command.noted
    return msgspec.structs.replace(command, status=outcome.status, noted=noted)


def life(*events: str, confirmed: bool = False) -> Standing:
    command = Standing(S.SENT, confirmed)
    for event in events:
        command = after(command, event)
    return command


@pytest.mark.parametrize(
    ("events", "confirmed", "status"),
    [
        (("txack",), False, S.TRANSMITTED),
        (("txack", "shown"), False, S.ACKNOWLEDGED),
        (("txack",), True, S.TRANSMITTED),
        (("txack", "ack"), True, S.ACKNOWLEDGED),
        (("ack", "txack"), True, S.ACKNOWLEDGED),
        (("txack", "nack"), True, S.FAILED),
        (("nack", "txack"), True, S.FAILED),
        (("txack", "overdue"), True, S.EXPIRED),
        (("txack", "overdue"), False, S.TRANSMITTED),
        (("overdue",), False, S.EXPIRED),
        (("overdue", "txack"), False, S.TRANSMITTED),
        (("expired",), False, S.EXPIRED),
        (("too_large",), False, S.FAILED),
        (("gateway",), False, S.SENT),
        (("gateway", "txack"), False, S.TRANSMITTED),
        (("txack", "expired"), False, S.TRANSMITTED),
        (("shown",), False, S.SENT),
    ],
)
def test_a_command_comes_to_where_it_should(events: tuple[str, ...], confirmed: bool, status: S) -> None:
    assert life(*events, confirmed=confirmed).status is status


@pytest.mark.parametrize("status", [S.SUPERSEDED, S.CANCELLED, S.EXPIRED])
def test_one_that_was_given_up_and_went_out_after_all_says_so(status: S) -> None:
    outcome = transmitted(Standing(status))
    assert outcome == Outcome(S.TRANSMITTED, True, f"after all: it was {status.value}")


def test_what_the_gateway_could_not_send_is_noted_once() -> None:
    command = Standing(S.SENT)
    assert told("gateway", command) == Outcome(S.SENT, False, "DOWNLINK_GATEWAY: TX_FREQ", is_wrong=True)
    assert told("gateway", after(command, "gateway")) is None


def test_a_payload_that_is_too_large_does_not_get_smaller_by_repeating_it() -> None:
    outcomes = {event: told(event, Standing(S.SENT)) for event in ("too_large", "expired", "nack", "overdue")}
    assert {event: outcome and outcome.can_help for event, outcome in outcomes.items()} == {
        "too_large": False,
        "expired": True,
        "nack": True,
        "overdue": True,
    }


@given(st.lists(st.sampled_from(EVENTS), max_size=8), st.sampled_from(EVENTS), st.booleans())
def test_whatever_is_told_twice_changes_nothing_twice(events: list[str], event: str, confirmed: bool) -> None:
    once = after(life(*events, confirmed=confirmed), event)
    assert told(event, once) is None
    assert after(once, event) == once


@given(st.lists(st.sampled_from(EVENTS), max_size=8), st.booleans())
def test_no_command_stays_open_past_its_time_to_live(events: list[str], confirmed: bool) -> None:
    command = life(*events, confirmed=confirmed)
    ended = after(command, "overdue").status
    assert ended in ENDED or (ended is S.TRANSMITTED and not confirmed)


@given(st.permutations(["txack", "ack", "gateway"]))
def test_a_confirmed_command_is_acknowledged_in_whatever_order_it_is_told(events: list[str]) -> None:
    command = life(*events, *events, confirmed=True)
    assert (command.status, command.transmitted_at) == (S.ACKNOWLEDGED, AT)
