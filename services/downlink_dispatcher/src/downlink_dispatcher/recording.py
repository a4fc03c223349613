"""What came of downlinks that were handed over, recorded in one transaction, whichever replica's they have become.

In: claims and their outcomes. Out: commands that are sent, wait or have failed; displays let go, and due again if
something is left to send; tokens given back for what did not go out; a dead letter and an alert for what is given up. A
claim whose lease ran out is another sender's now: what came of it is his to find out, unless it went out after all and
is not what he sent, so that nobody knows what the display shows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from downlink_dispatcher import SCHEMA, SERVICE, metrics
from downlink_dispatcher.claiming import Claim
from downlink_dispatcher.domain import alerting
from downlink_dispatcher.domain.buckets import Limits
from downlink_dispatcher.domain.display import Display
from downlink_dispatcher.domain.rules import SendingRules
from downlink_dispatcher.domain.truth import GIVEN_UP_PAUSE
from downlink_dispatcher.store import buckets, results
from downlink_dispatcher.store.alerts import tell_alerts
from downlink_dispatcher.store.claims import supersede
from downlink_dispatcher.store.clock import clock
from downlink_dispatcher.store.displays import lock_displays
from downlink_dispatcher.store.results import DisplayResult, RowResult
from parking_chassis.dead_letters import DEAD_LETTER_TYPE, PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import Connection
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.downlink import DownlinkStatus
from parking_contracts.errors import DeadLetterCode

log = structlog.get_logger()


class Handed(msgspec.Struct, frozen=True):
    """The network server has it. `is_adopted`: it had it already, from before a crash."""

    queue_item_id: str
    is_adopted: bool = False


class Waits(msgspec.Struct, frozen=True):
    """It did not go out, and nothing is wrong with it. `is_at_server`: it may be there all the same."""

    reason: str
    pause: timedelta
    is_at_server: bool


class Refused(msgspec.Struct, frozen=True):
    """A failed attempt. `is_at_server`: it may be there all the same."""

    reason: str
    is_at_server: bool = False


Outcome = Handed | Waits | Refused


@dataclass
class _Ledger:
    """What one transaction is going to write."""

    now: datetime
    rows: list[RowResult] = field(default_factory=list)
    displays: list[DisplayResult] = field(default_factory=list)
    forgotten: list[DisplayResult] = field(default_factory=list)
    displaced: list[tuple[UUID, UUID]] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    alerts: list[DeviceAlert] = field(default_factory=list)
    letters: list[Event] = field(default_factory=list)


async def record(
    connection: Connection, outcomes: Sequence[tuple[Claim, Outcome]], rules: SendingRules
) -> float | None:
    """Write what came of these, inside the caller's transaction; in how many seconds the first display is due again."""
    locked = await lock_displays(connection, [claim.display.key for claim, _ in outcomes])
    held = {display.key: display for display in locked}
    ledger = _Ledger(await clock(connection))
    for claim, outcome in outcomes:
        display = held.get(claim.display.key)
        if display is None or display.claim != claim.id:
            log.warning("claim_lost", dev_eui=claim.display.dev_eui, downlink=str(claim.row.id))
            if display is not None and _came_between(claim, display, outcome):
                # Whoever has it in hand now cannot tell either which came last: his claim is lost with it.
                ledger.forgotten.append(DisplayResult(key=display.key, sent_version=0, due_at=ledger.now))
            continue
        match outcome:
            case Handed():
                _handed(ledger, claim, display, outcome)
            case Waits():
                _waits(ledger, claim, display, outcome)
            case Refused():
                pause = rules.retries.pause_after(claim.row.attempts + 1, random.random())  # noqa: S311  jitter
                _refused(ledger, claim, display, outcome, pause)
    gone = {result.key for result in ledger.forgotten}
    ledger.displays = [result for result in ledger.displays if result.key not in gone] + ledger.forgotten
    if not ledger.displays:
        return None
    await _write(connection, ledger, rules.limits)
    due = [result.due_at for result in ledger.displays if result.due_at is not None]
    return (min(due) - ledger.now).total_seconds() if due else None


async def _write(connection: Connection, ledger: _Ledger, limits: Limits) -> None:
    await results.write_rows(connection, ledger.rows)
    await results.write_displays(connection, ledger.displays)
    if ledger.displaced:
        await supersede(connection, ledger.displaced)
    await buckets.give_back(connection, ledger.tokens, limits)
    await tell_alerts(connection, ledger.alerts)
    await write_events(connection, SCHEMA, ledger.letters)


def _came_between(claim: Claim, display: Display, outcome: Outcome) -> bool:
    """Whether a display may show what a sender handed over too late, though others believe otherwise."""
    if not isinstance(outcome, Handed) and not outcome.is_at_server:
        return False
    if claim.row.is_custom and claim.row.f_port != display.desired_f_port:
        return False
    believed = display.shown_payload if display.claim is None else display.desired_payload
    return claim.row.payload != believed


def _handed(ledger: _Ledger, claim: Claim, display: Display, outcome: Handed) -> None:
    row, is_state = claim.row, not claim.row.is_custom
    ledger.rows.append(
        RowResult(
            tenant_id=display.tenant_id,
            id=row.id,
            status=DownlinkStatus.SENT,
            attempts=row.attempts,
            queue_item_id=outcome.queue_item_id,
            is_at_server=True,
            detail="found in the queue" if outcome.is_adopted else "",
        )
    )
    sent_version, shown = _shown_now(claim, display)
    ledger.displays.append(
        DisplayResult(
            key=display.key,
            sent_version=sent_version,
            shown_payload=shown,
            is_state=is_state,
            due_at=_due_again(ledger.now, claim, display, sent_version),
            has_failed=False if display.failed_at is not None else None,
        )
    )
    if display.failed_at is not None:
        ledger.alerts.append(alerting.recovered(display, ledger.now))
    ledger.displaced += [(display.tenant_id, downlink_id) for downlink_id in claim.displaced]
    if is_state and display.desired_at is not None and display.desired_version == row.version:
        metrics.WISH_TO_SENT_SECONDS.observe((ledger.now - display.desired_at).total_seconds())
    metrics.SENDS.labels(row.kind, "adopted" if outcome.is_adopted else "sent").inc()


def _shown_now(claim: Claim, display: Display) -> tuple[int | None, bytes | None]:
    """(sent version, shown payload) of a display after a command went out; version None: as it was."""
    if claim.row.is_custom:
        # On the state's port nobody knows what it makes the display show: what is desired follows.
        return (0, None) if claim.row.f_port == display.desired_f_port else (None, None)
    before = claim.display
    if (before.sent_version, before.joined_at) != (display.sent_version, display.joined_at):
        return 0, None  # it joined, or showed something else, while this was on its way
    return claim.row.version, claim.row.payload


def _due_again(
    now: datetime, claim: Claim, display: Display, sent_version: int | None = None, later: datetime | None = None
) -> datetime | None:
    """When to look at a display again: as somebody has asked meanwhile, else `later`, else now if something is left."""
    if display.due_at not in {display.claimed_until, None}:
        # Whoever wishes or queues something, or finds that it shows something else, makes it due.
        return now if claim.is_more_queued else display.due_at
    if later is not None:
        return later
    version = display.sent_version if sent_version is None else sent_version
    is_behind = display.desired_payload is not None and display.desired_version > version
    return now if is_behind or claim.is_more_queued else None


def _waits(ledger: _Ledger, claim: Claim, display: Display, outcome: Waits) -> None:
    row = claim.row
    ledger.rows.append(
        RowResult(
            tenant_id=display.tenant_id,
            id=row.id,
            status=DownlinkStatus.QUEUED,
            attempts=row.attempts,
            last_error=outcome.reason,
            is_at_server=outcome.is_at_server,
        )
    )
    due_at = _due_again(ledger.now, claim, display, later=ledger.now + outcome.pause)
    ledger.displays.append(DisplayResult(key=display.key, due_at=due_at))
    ledger.tokens.update(claim.token_keys)
    metrics.SENDS.labels(row.kind, "away" if outcome.is_at_server else "denied").inc()


def _refused(ledger: _Ledger, claim: Claim, display: Display, outcome: Refused, pause: timedelta | None) -> None:
    row, attempts, reason = claim.row, claim.row.attempts + 1, outcome.reason
    is_state, is_over = not row.is_custom, pause is None
    status = DownlinkStatus.FAILED if pause is None else DownlinkStatus.QUEUED
    next_attempt_at = ledger.now + pause if pause is not None else None
    ledger.rows.append(
        RowResult(
            tenant_id=display.tenant_id,
            id=row.id,
            status=status,
            attempts=attempts,
            next_attempt_at=next_attempt_at,
            last_error=reason,
            is_at_server=outcome.is_at_server,
            detail=f"attempt {attempts} failed: {reason}",
        )
    )
    # A free-form command lets the state go first while it waits, and the next one when it is given up.
    later = (next_attempt_at or ledger.now + GIVEN_UP_PAUSE) if is_state else ledger.now
    due_at = _due_again(ledger.now, claim, display, later=later)
    # Given up on, it may be shown all the same: then nobody knows what is.
    forgets = is_over and is_state and outcome.is_at_server
    ledger.displays.append(
        DisplayResult(
            key=display.key,
            sent_version=0 if forgets else None,
            due_at=due_at,
            has_failed=True if is_over else None,
        )
    )
    metrics.SENDS.labels(row.kind, "given_up" if is_over else "refused").inc()
    names = {"dev_eui": display.dev_eui, "downlink": str(row.id), "attempts": attempts, "reason": reason}
    if is_over:
        ledger.alerts.append(alerting.given_up(display, row.id, row.kind, reason, ledger.now))
        ledger.letters.append(_letter(claim, ledger.now, attempts, reason))
        log.error("downlink_given_up", **names)
    else:
        log.warning("downlink_refused", **names)


def _letter(claim: Claim, now: datetime, attempts: int, reason: str) -> Event:
    """For people to see: it is tried again through the API, and no stream takes it back."""
    display, row = claim.display, claim.row
    body = {
        "tenant_id": display.tenant_id,
        "downlink_id": row.id,
        "dev_eui": display.dev_eui,
        "kind": row.kind,
        "f_port": row.f_port,
        "payload": row.payload.hex(),
    }
    letter = dead_letter(
        PoisonError(DeadLetterCode.DOWNLINK_FAILED, reason),
        service=SERVICE,
        origin="jetstream",
        address=f"downlink.{display.tenant_id}.{row.id}",
        body=msgspec.json.encode(body),
        received_at=now,
        attempts=attempts,
    )
    return Event(subject=subject_of(letter), type=DEAD_LETTER_TYPE, payload=encode_dead_letter(letter))
