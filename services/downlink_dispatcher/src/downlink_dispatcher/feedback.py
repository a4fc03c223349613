"""What is told of displays and commands, applied to their rows in memory, one event after the other.

In: displays that are held, and the commands that may be meant. Out: the rows that changed, the steps of their
histories, and alerts, for the same transaction. Which rule applies is decided here, and the rules are in `domain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from downlink_dispatcher import metrics
from downlink_dispatcher.domain import alerting, outcomes, truth
from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.domain.outcomes import Outcome
from downlink_dispatcher.domain.reports import read_report
from downlink_dispatcher.domain.told import Tenants, Told, ToldOfItem, item_of, key_of
from downlink_dispatcher.domain.truth import Aired, Rules, Verdict
from downlink_dispatcher.store import feedback as store
from downlink_dispatcher.store.alerts import tell_alerts
from downlink_dispatcher.store.displays import wake
from downlink_dispatcher.store.downlinks import Step, add_steps
from downlink_dispatcher.store.feedback import CommandRow
from parking_chassis.postgres import Connection
from parking_codecs.display import DisplayCodec
from parking_contracts.device import DeviceJoined, DeviceLogged, DownlinkAcknowledged, DownlinkTransmitted
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.display import DisplayReported
from parking_contracts.downlink import DownlinkStatus

# What stamps events and what stamps rows may be as far apart.
CLOCKS_APART = timedelta(seconds=5)


class Feedback:
    """A batch's rows while its events are applied.

    Args:
        displays: Held; what is told of any other device is let go.
        tenants: Whose the events' applications are.
        by_item: The commands that events name by their queue item.
        unrecorded: Of a display, the command that was about to be handed over when last heard of.
        states: Of a display, the state that was sent last.
        codecs: The installed ones of displays, by name.
    """

    def __init__(
        self,
        displays: Iterable[Display],
        tenants: Tenants,
        *,
        by_item: Iterable[CommandRow] = (),
        unrecorded: Iterable[CommandRow] = (),
        states: Iterable[CommandRow] = (),
        codecs: Mapping[str, DisplayCodec],
        rules: Rules,
        now: datetime,
    ) -> None:
        self._displays = {display.key: display for display in displays}
        self._as_stored = dict(self._displays)
        self._tenants = tenants
        self._codecs = codecs
        self._rules = rules
        self._now = now
        self._commands: dict[UUID, CommandRow] = {}
        self._by_item = {row.queue_item_id: row for row in map(self._one, by_item)}
        self._unrecorded = {row.key: row for row in map(self._one, unrecorded)}
        self._states = {row.key: row for row in map(self._one, states)}
        self._changed: dict[UUID, CommandRow] = {}
        self._steps: list[Step] = []
        self._alerts: list[DeviceAlert] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def _one(self, row: CommandRow) -> CommandRow:
        """One row in memory for one in the table, however it was found."""
        return self._commands.setdefault(row.id, row)

    @property
    def held(self) -> list[DisplayKey]:
        """The displays whose rows these are."""
        return list(self._displays)

    def take(self, event: Told) -> None:
        """Apply one event."""
        key = key_of(event, self._tenants)
        display = self._displays.get(key) if key is not None else None
        if display is None:
            return
        match event:
            case DisplayReported():
                self._hear(display, event)
            case DeviceJoined():
                self._displays[display.key] = truth.joined(
                    display, event.received_at, self._aired(display.key), self._now
                )
            case _:
                self._follow(display, event)

    def _hear(self, display: Display, event: DisplayReported) -> None:
        """A frame of a display: where it can be reached, and whether it shows what it should."""
        codec = self._codecs.get(display.codec) or self._codecs.get(event.codec)
        frame, reported = read_report(event, codec, display.desired_command)
        if not truth.is_news(display, frame):
            self._counts["report", "repeated"] += 1
            return
        verdict = truth.judge(display, frame, self._aired(display.key))
        self._counts["report", verdict] += 1
        display = truth.heard(display, frame, event.gateway_id, self._now)
        if reported is not None:
            display = msgspec.structs.replace(display, reported=reported, reported_at=event.received_at)
        self._displays[display.key] = self._conclude(display, verdict, event.received_at)

    def _conclude(self, display: Display, verdict: Verdict, at: datetime) -> Display:
        match verdict:
            case Verdict.RIGHT:
                state = self._states.get(display.key)
                if state is not None and (outcome := outcomes.shown(state.standing)) is not None:
                    self._step(state, outcome, at)
                concluded = truth.confirmed(display)
            case Verdict.PLAUSIBLE:
                concluded = truth.undisputed(display)
            case Verdict.WRONG:
                concluded = truth.corrected(display, self._now, self._rules)
            case Verdict.GONE:
                concluded = truth.restarted(display, self._now, self._rules)
            case _:
                return display
        if (alert := alerting.news(display, concluded, self._now)) is not None:
            self._alerts.append(alert)
        return concluded

    def _follow(self, display: Display, event: ToldOfItem) -> None:
        """What became of an item of the queue."""
        item = item_of(event)
        command = self._by_item.get(item) if item is not None else self._states.get(display.key)
        if command is None and item is not None and not isinstance(event, DeviceLogged):
            command = self._adopt(display, event, item)
        if command is None or command.key != display.key:
            self._counts["report", "unknown_item"] += 1
            return
        match event:
            case DownlinkTransmitted():
                outcome = outcomes.transmitted(command.standing)
                if command.transmitted_at is None:
                    command.transmitted_at = event.received_at
                    command.gateway_id, command.f_cnt_down = event.gateway_id, event.f_cnt_down
            case DownlinkAcknowledged():
                told = outcomes.acknowledged if event.acknowledged else outcomes.unanswered
                outcome = told(command.standing)
            case DeviceLogged():
                outcome = outcomes.logged(command.standing, event.code, event.description)
        if outcome is not None:
            self._step(command, outcome, event.received_at)
            if outcome.is_wrong and outcome.is_ended and not command.is_custom:
                self._send_again(command, outcome)

    def _adopt(
        self, display: Display, event: DownlinkTransmitted | DownlinkAcknowledged, item: str
    ) -> CommandRow | None:
        """An item that nobody recorded: the command of this display that was about to be handed over, if one was.

        Either its sender is about to record it, and needs only the row to tell; or it is gone, and this is the record.
        """
        command = self._unrecorded.get(display.key)
        if command is None or command.tried_at is None or event.received_at < command.tried_at - CLOCKS_APART:
            return None
        del self._unrecorded[display.key]
        command.queue_item_id, command.sent_at = item, command.sent_at or command.tried_at
        self._by_item[item] = self._changed[command.id] = command
        if not command.is_custom:
            self._states[display.key] = command
        self._steps.append(_step(command, command.sent_at or self._now, DownlinkStatus.SENT, "known by what followed"))
        if not self._is_claimed(display):
            self._record(display, command)
        return command

    def _record(self, display: Display, command: CommandRow) -> None:
        """What its sender would have written, had it lived."""
        display = msgspec.structs.replace(display, claim=None, claimed_until=None, due_at=self._now)
        if not command.is_custom:
            display = msgspec.structs.replace(
                display,
                sent_version=command.version or 0,
                shown_payload=command.payload,
                sent_at=command.sent_at,
                is_right=None,
            )
        elif command.f_port == display.desired_f_port:
            display = truth.forgotten(display, self._now)
        self._displays[display.key] = display

    def _send_again(self, command: CommandRow, outcome: Outcome) -> None:
        """A state that did not arrive: once more, if that can help. What is desired by now is sent anyway."""
        display = self._displays[command.key]
        if command.payload != display.shown_payload or not truth.is_current(display):
            return
        if not outcome.can_help:
            self._alerts.append(alerting.given_up(display, command.id, command.kind, outcome.detail, self._now))
        self._displays[command.key] = truth.lost(
            display, command.sent_at, self._now, self._rules, can_help=outcome.can_help
        )

    def expire(self, command: CommandRow) -> None:
        """Its time to live is over. One that its sender has in hand at this moment is left to him."""
        display = self._displays.get(command.key)
        if display is None or self._is_claimed(display):
            return
        command = self._one(command)
        if (outcome := outcomes.overdue(command.standing)) is not None:
            self._step(command, outcome, self._now)
            if not command.is_custom:
                self._send_again(command, outcome)

    def forget(self, key: DisplayKey) -> None:
        """What was sent to a display has not gone out for too long: the same once more, in its place."""
        display = self._displays[key]
        if truth.is_current(display):
            self._displays[key] = truth.forgotten(display, self._now)

    def rest(self, key: DisplayKey) -> None:
        """A display without anything to show cannot show it wrongly: its alerts are over."""
        display = self._displays[key]
        if display.desired is not None:
            return
        if display.failed_at is not None:
            self._alerts.append(alerting.recovered(display, self._now))
        concluded = msgspec.structs.replace(truth.undisputed(display), failed_at=None)
        if (alert := alerting.news(display, concluded, self._now)) is not None:
            self._alerts.append(alert)
        self._displays[key] = concluded

    def _step(self, command: CommandRow, outcome: Outcome, at: datetime) -> None:
        command.status = outcome.status
        if outcome.is_wrong:
            command.last_error = outcome.detail
        if outcome.is_ended and command.ended_at is None:
            command.ended_at = self._now
        if outcome.status is DownlinkStatus.ACKNOWLEDGED and command.acknowledged_at is None:
            command.acknowledged_at = at
        self._changed[command.id] = command
        self._steps.append(_step(command, at, outcome.status, outcome.detail))
        self._counts["step", outcome.status] += 1

    def _is_claimed(self, display: Display) -> bool:
        """Whether a sender has it in hand."""
        return display.claim is not None and display.claimed_until is not None and display.claimed_until > self._now

    def _aired(self, key: DisplayKey) -> Aired | None:
        state = self._states.get(key)
        return Aired(state.payload, state.on_air_at) if state is not None else None

    async def write(self, connection: Connection) -> None:
        """Write what changed, and wake the senders if something is due by it."""
        await store.write_commands(connection, list(self._changed.values()))
        await add_steps(connection, self._steps)
        changed = [one for key, one in self._displays.items() if one != self._as_stored[key]]
        await store.write_displays(connection, changed)
        await tell_alerts(connection, self._alerts)
        if any(one.due_at != self._as_stored[one.key].due_at for one in changed):
            await wake(connection)

    def count(self) -> None:
        """Count what happened, once it is committed."""
        for (what, name), number in self._counts.items():
            (metrics.REPORTS if what == "report" else metrics.STEPS).labels(name).inc(number)
        for alert in self._alerts:
            metrics.ALERTS.labels("opened" if alert.is_open else "closed").inc()


def _step(command: CommandRow, at: datetime, status: DownlinkStatus, detail: str) -> Step:
    return Step(tenant_id=command.tenant_id, downlink_id=command.id, at=at, status=status, detail=detail)
