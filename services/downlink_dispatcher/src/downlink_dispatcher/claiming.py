"""One round of claiming: displays that are due are taken, and what goes next to each is decided, in one transaction.

In: the displays whose time has come. Out: what is to be handed to the network server now, each under a claim of its own
and paid for with tokens; everything else is settled, or due at another time. When the transaction is committed a crash
loses nothing: the claim ends by itself, and the command's row says that it may have been handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec

from downlink_dispatcher import metrics
from downlink_dispatcher.domain.buckets import Bucket, Purse, keys_of
from downlink_dispatcher.domain.display import Display
from downlink_dispatcher.domain.rules import SendingRules
from downlink_dispatcher.domain.turns import Rest, Send, Settle, Turn, Waiting, next_turn
from downlink_dispatcher.network.transport import Item
from downlink_dispatcher.store import buckets, claims
from downlink_dispatcher.store.claims import Decision, Queue, StateRow
from parking_chassis.postgres import Connection

# A round looks at more displays than it may send to, since most may have to wait for tokens.
LOOKED_AT_PER_SEND = 4
NOT_OURS = timedelta(seconds=60)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A downlink that is this sender's to hand over, and its row as it was before.

    `displaced` are the states that it takes out of the network server's queue; `is_more_queued`: other free-form
    commands wait behind it.
    """

    id: UUID
    display: Display
    row: Waiting
    item: Item
    token_keys: tuple[str, ...]
    displaced: tuple[UUID, ...] = ()
    is_more_queued: bool = False


class Round(msgspec.Struct, frozen=True):
    """What one round came to. `is_more`: there may be more that is due now.

    `next_due_seconds` is when the first of what it put off is due; others tell by NOTIFY what they make due.
    """

    claims: tuple[Claim, ...] = ()
    is_more: bool = False
    next_due_seconds: float | None = None


class _Chosen(msgspec.Struct, frozen=True):
    """What goes next to a display, paid for."""

    display: Display
    queue: Queue
    waiting: Waiting | None
    token_keys: tuple[str, ...]


async def claim_due(connection: Connection, rules: SendingRules, limit: int) -> Round:
    """Take what is due and may be sent, `limit` downlinks at most, inside the caller's transaction."""
    due = await claims.take_due(connection, limit * LOOKED_AT_PER_SEND)
    if due is None:
        return Round()
    now, displays = due
    queues = await claims.queues_of(connection, [display.key for display in displays])
    put_off: list[Decision] = []
    ready: list[_Chosen] = []
    for display in displays:
        queue = queues[display.key]
        match _turn(display, queue, now, rules):
            case Rest(until):
                put_off.append(Decision(key=display.key, due_at=until))
            case Settle(until):
                metrics.SETTLED.inc()
                put_off.append(Decision(key=display.key, due_at=until, is_settled=True))
            case Send(waiting):
                keys = keys_of(display.tenant_id, display.gateway_id)
                ready.append(_Chosen(display, queue, waiting, keys))
    chosen, refused, left = await _pay(connection, ready, rules, now, limit)
    put_off += refused
    claimed = [_claim(one, row) for one, row in await _with_rows(connection, chosen, rules, now)]
    decisions = [*put_off, *(_taken(claim, now + rules.lease) for claim in claimed)]
    if decisions:
        await claims.write_decisions(connection, decisions, left)
    is_more = len(displays) == limit * LOOKED_AT_PER_SEND or len(claimed) == limit
    return Round(tuple(claimed), is_more=is_more, next_due_seconds=_seconds_until_first(put_off, now))


def _taken(claim: Claim, until: datetime) -> Decision:
    return Decision(key=claim.display.key, due_at=until, claim=claim.id, claimed_until=until)


def _seconds_until_first(put_off: Sequence[Decision], now: datetime) -> float | None:
    times = [decision.due_at for decision in put_off if decision.due_at is not None]
    return (min(times) - now).total_seconds() if times else None


def _turn(display: Display, queue: Queue, now: datetime, rules: SendingRules) -> Turn:
    turn = next_turn(display, queue.head, queue.tried, now, rules.spacing)
    if isinstance(turn, Send) and queue.application_id is None:
        # Wished while it was its tenant's, and no longer: the sweep takes the wish back.
        return Rest(now + NOT_OURS)
    return turn


async def _pay(
    connection: Connection, ready: Sequence[_Chosen], rules: SendingRules, now: datetime, limit: int
) -> tuple[list[_Chosen], list[Decision], dict[str, Bucket]]:
    """Take tokens for those that wait longest; who gets none is due when there should be one. And what is left."""
    if not ready:
        return [], [], {}
    keys = {key for one in ready for key in one.token_keys}
    purse = Purse(await buckets.lock_buckets(connection, keys, rules.limits, now), rules.limits, now)
    chosen: list[_Chosen] = []
    refused: list[Decision] = []
    for one in sorted(ready, key=_waits_since):
        if len(chosen) == limit:
            break  # the others stay due
        if (until := purse.take(one.token_keys)) is None:
            chosen.append(one)
        else:
            refused.append(Decision(key=one.display.key, due_at=until))
    metrics.TOKEN_WAITS.inc(len(refused))
    return chosen, refused, purse.left(purse.taken)


def _waits_since(one: _Chosen) -> datetime:
    """Since when a display has not had its turn, so that one to which much is sent does not always come first."""
    display = one.display
    if one.waiting is not None and one.waiting.is_custom:
        return display.due_at or display.created_at
    return max(display.desired_at or display.created_at, display.sent_at or display.created_at)


async def _with_rows(
    connection: Connection, chosen: Sequence[_Chosen], rules: SendingRules, now: datetime
) -> list[tuple[_Chosen, Waiting]]:
    """What goes out, each with its row; a state that has none yet gets one."""
    tried = [(one.display.tenant_id, one.waiting.id) for one in chosen if one.waiting is not None]
    if tried:
        await claims.mark_tried(connection, tried)
    if stale := [(one.display.tenant_id, row.id) for one in chosen for row in _stale(one)]:
        await claims.supersede(connection, stale)
    states = [_state_row(one.display, now + rules.time_to_live) for one in chosen if one.waiting is None]
    made = await claims.add_state_rows(connection, states) if states else {}
    return [(one, one.waiting or made[one.display.key]) for one in chosen]


def _stale(one: _Chosen) -> list[Waiting]:
    """States that were to be tried again, and of which another is sent now."""
    if one.waiting is not None and one.waiting.is_custom:
        return []
    return [row for row in one.queue.tried if row is not one.waiting]


def _state_row(display: Display, expires_at: datetime) -> StateRow:
    if display.desired_f_port is None or display.desired_payload is None:
        raise ValueError(f"{display.dev_eui} has nothing to show")
    return StateRow(
        tenant_id=display.tenant_id,
        dev_eui=display.dev_eui,
        space_id=display.space_id,
        kind="counter" if display.space_id is None else "state",
        version=display.desired_version,
        f_port=display.desired_f_port,
        payload=display.desired_payload,
        command=display.desired_command,
        cause=display.desired_cause,
        expires_at=expires_at,
    )


def _claim(one: _Chosen, row: Waiting) -> Claim:
    # Flushing would take away a free-form command that was handed over and is not on air.
    flush = not row.is_custom and not one.queue.has_custom_sent
    return Claim(
        id=uuid4(),
        display=one.display,
        row=row,
        item=Item(
            downlink_id=row.id,
            dev_eui=one.display.dev_eui,
            application_id=one.queue.application_id or "",
            f_port=row.f_port,
            payload=row.payload,
            confirmed=row.confirmed,
            expires_at=row.expires_at,
            flush=flush,
        ),
        token_keys=one.token_keys,
        displaced=one.queue.sent if flush else (),
        is_more_queued=one.queue.length > (1 if row.is_custom else 0),
    )
