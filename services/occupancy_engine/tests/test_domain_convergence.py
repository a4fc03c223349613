"""Whatever the order, however often: a device's frames come to the same stays and the same shown occupancy.

The harness does with two dictionaries what `batch.py` does with the store. Sessions are separate in time, and at most
as many as a device remembers: beyond that a late frame's place is a guess, and so is a frame within 64 counts of a
reset that kept the address. The tables of sessions say what happens to those.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from occupancy_engine.domain.hearing import Device, StayBegun, StayEnded, hear
from occupancy_engine.domain.sessions import Arrival, Frame, place
from occupancy_engine.domain.stays import Reading, Stay, fold, repair

DAWN = datetime(2026, 7, 22, 6, tzinfo=UTC)
MOST_SESSIONS = 5


@dataclass(frozen=True)
class Sent:
    """A frame as the device sent it; `occupied` is None in a MAC-only one."""

    dev_addr: str
    f_cnt: int
    at: datetime
    occupied: bool | None


@dataclass
class Journal:
    """A device, its stored readings and its stays."""

    device: Device = field(
        default_factory=lambda: Device(tenant_id=uuid4(), dev_eui="0" * 16, space_id=uuid4(), assigned_at=DAWN)
    )
    readings: dict[tuple[datetime, int], Reading | None] = field(default_factory=dict)
    stays: dict[str, Stay] = field(default_factory=dict)

    def take_in(self, batch: list[Sent]) -> None:
        late = []
        for one, session_at in self._placed(batch):
            reading = one.occupied is not None and Reading((session_at, one.f_cnt), one.at, one.at, one.occupied)
            self.readings[session_at, one.f_cnt] = reading or None
            if not reading:
                continue
            heard = hear(self.device, reading)
            if heard.late:
                late.append(reading.place)
            self._move(heard.stay)
        if late:
            self._mend(min(late), max(late))

    def _placed(self, batch: list[Sent]) -> list[tuple[Sent, datetime]]:
        placed, keys = [], set()
        for one in batch:
            placement = place(self.device.sessions, Frame(one.dev_addr, one.f_cnt, one.at))
            self.device.sessions = placement.sessions
            key = (placement.session_at, one.f_cnt)
            if placement.arrival is Arrival.DUPLICATE or key in keys:
                continue
            if placement.arrival is Arrival.MAYBE_SEEN and key in self.readings:
                continue
            keys.add(key)
            placed.append((one, placement.session_at))
        return placed

    def _move(self, stay: StayBegun | StayEnded | None) -> None:
        match stay:
            case StayBegun(stay_id, _, reading):
                self.stays[str(stay_id)] = Stay(
                    reading.place, reading.occurred_at, reading.received_at, id=str(stay_id)
                )
            case StayEnded(stay_id, _, departed, departed_at):
                running = self.stays[str(stay_id)]
                ended = max(running.arrived_at, departed_at)
                self.stays[str(stay_id)] = msgspec.structs.replace(running, departed=departed, departed_at=ended)

    def _mend(self, low: tuple[datetime, int], high: tuple[datetime, int]) -> None:
        told = [reading for _, reading in sorted(self.readings.items()) if reading]
        before = [reading for reading in told if reading.place < low][-1:]
        after = [reading for reading in told if reading.place > high][:1]
        around = [*before, *(reading for reading in told if low <= reading.place <= high), *after]
        first, last = around[0].place, around[-1].place
        in_order = sorted(self.stays.values(), key=lambda stay: stay.arrived)
        touching = [stay for stay in in_order if stay.arrived < first][-1:]
        touching += [stay for stay in in_order if first <= stay.arrived <= last]
        mended = repair(around, touching)
        for stay in mended.removed:
            del self.stays[stay.id]
        for stay in mended.written:
            stay_id = stay.id or str(uuid4())
            self.stays[stay_id] = msgspec.structs.replace(stay, id=stay_id)
            if stay.departed_at is None:
                self.device.open_stay_id = stay_id

    def happened(self) -> list[tuple[datetime, datetime | None]]:
        return sorted((stay.arrived_at, stay.departed_at) for stay in self.stays.values())


@st.composite
def lives(draw) -> list[Sent]:
    """A device's frames in order: sessions by join, counts with gaps, changes, keep-alives and MAC-only frames."""
    sent, at = [], DAWN
    for session in range(draw(st.integers(1, MOST_SESSIONS))):
        f_cnt = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(1, 12))):
            at += timedelta(seconds=draw(st.integers(1, 600)))
            sent.append(Sent(f"addr{session}", f_cnt, at, draw(st.sampled_from([True, False, None]))))
            f_cnt += draw(st.sampled_from([1, 1, 1, 2, 63, 64, 65, 500]))
    return sent


@st.composite
def deliveries(draw) -> tuple[list[Sent], list[list[Sent]]]:
    """A life, and its frames delivered in any order, some more than once, in batches of any size."""
    life = draw(lives())
    repeated = draw(st.lists(st.sampled_from(life), max_size=10))
    order = draw(st.permutations(life + repeated))
    batches = []
    while order:
        size = draw(st.integers(1, len(order)))
        batches.append(order[:size])
        order = order[size:]
    return life, batches


def truth(life: list[Sent]) -> list[tuple[datetime, datetime | None]]:
    told = [Reading((DAWN, n), one.at, one.at, one.occupied) for n, one in enumerate(life) if one.occupied is not None]
    return [(stay.arrived_at, stay.departed_at) for stay in fold(told)]


@settings(max_examples=150, deadline=None)
@given(deliveries())
def test_any_order_and_any_repetition_comes_to_the_in_order_stays_and_occupancy(delivered):
    life, batches = delivered
    journal = Journal()
    for batch in batches:
        journal.take_in(batch)
    told = [one.occupied for one in life if one.occupied is not None]
    assert len(journal.readings) == len(life)
    assert journal.device.occupied is (told[-1] if told else None)
    assert journal.happened() == truth(life)
    running = [stay_id for stay_id, stay in journal.stays.items() if stay.departed_at is None]
    assert running == ([str(journal.device.open_stay_id)] if journal.device.open_stay_id else [])


@settings(max_examples=50, deadline=None)
@given(deliveries())
def test_a_second_delivery_of_everything_changes_nothing(delivered):
    _, batches = delivered
    journal = Journal()
    for batch in batches:
        journal.take_in(batch)
    before = (dict(journal.readings), dict(journal.stays))
    for batch in batches:
        journal.take_in(batch)
    assert (journal.readings, journal.stays) == before


@settings(max_examples=50, deadline=None)
@given(lives(), st.integers(66, 5000), st.data())
def test_a_reset_that_keeps_the_address_is_taken_in_order_with_duplicates(life, fallen, data):
    before = [
        Sent("kept", fallen + one.f_cnt + 20_000, one.at, one.occupied) for one in life if one.dev_addr == "addr0"
    ]
    after = [Sent("kept", n, before[-1].at + timedelta(minutes=1 + n), one.occupied) for n, one in enumerate(life[:60])]
    journal, whole = Journal(), [*before, *after]
    for n, one in enumerate(whole):
        again = data.draw(st.lists(st.sampled_from(whole[: n + 1]), max_size=2))
        journal.take_in([one, *again])
    assert len(journal.readings) == len(whole)
    assert journal.happened() == truth(whole)
