"""What the clock and the sensor owe a reservation, rule by rule, and what holds whatever happens."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from parking_contracts.reservation import ReservationOpened, ReservationReleased, ReservationUpdated
from reservation_service.domain.reservation import Reservation, Rules, Scene, Sensor
from reservation_service.domain.windows import owed, with_reservation

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = Rules(
    lead=15 * MINUTE,
    no_show_grace=15 * MINUTE,
    overstay_grace=5 * MINUTE,
    horizon=365 * DAY,
    keep_personal_data=90 * DAY,
)
TENANT, SPACE = UUID(int=1), UUID(int=2)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def booked(number: int = 1, *, start: float = 0, end: float = 60, booked_at: float = -600, **fields) -> Reservation:
    """From noon to one, unless said otherwise; minutes from noon."""
    return Reservation(
        tenant_id=TENANT, id=UUID(int=100 + number), space_id=SPACE, starts_at=at(start), ends_at=at(end),
        created_at=at(booked_at), **fields,
    )  # fmt: skip


class Space:
    """A space through time: `at(minutes, occupied=, arrived=)` runs the rules and answers what happened, by name."""

    def __init__(self, *reservations: Reservation) -> None:
        self.reservations = tuple(sorted(reservations, key=lambda one: one.starts_at))
        self.sensor: Sensor | None = Sensor(occupied=False, since=at(-1000))
        self.told: list[object] = []

    def at(self, minutes: float, *, occupied: bool | None = None, arrived: float | None = None, deleted=False):
        if occupied is not None and (self.sensor is None or self.sensor.occupied != occupied):
            self.sensor = Sensor(occupied, at(minutes))
        scene = Scene(
            reservations=self.reservations, now=at(minutes), rules=RULES, sensor=self.sensor, is_deleted=deleted,
            arrived_at=None if arrived is None else at(arrived),
        )  # fmt: skip
        steps = owed(scene)
        for step in steps:
            scene = with_reservation(scene, step.reservation)
        assert owed(scene) == [], "what is carried out is owed no longer"
        self.reservations = scene.reservations
        events = [event for step in steps for event in step.events]
        self.told += events
        return [getattr(event, "reason", type(event).__name__.removeprefix("Reservation").lower()) for event in events]

    def one(self, number: int = 1) -> Reservation:
        return next(one for one in self.reservations if one.id == UUID(int=100 + number))


def test_a_window_opens_at_its_lead_time_and_not_before():
    space = Space(booked())
    assert space.at(-15.1) == []
    assert space.at(-15) == ["opened"]
    assert space.told == [
        ReservationOpened(tenant_id=TENANT, space_id=SPACE, reservation_id=space.one().id, since=at(-15), until=at(60))
    ]
    assert space.at(-14) == []


def test_a_window_waits_for_the_end_of_the_reservation_before_it():
    space = Space(booked(1, end=10), booked(2, start=10, end=30))
    assert space.at(-5) == ["opened"]
    assert space.at(5, occupied=True) == ["checkedin"]
    assert space.at(9) == []
    assert space.at(10, occupied=False) == ["completed", "opened"]
    assert space.at(12, occupied=True) == ["checkedin"]
    assert space.one(2).checked_in_at == at(12)


def test_an_arrival_after_the_opening_checks_in_and_before_it_obstructs():
    comes = Space(booked())
    comes.at(-15)
    assert comes.at(-10, occupied=True) == ["checkedin"]
    assert (comes.one().checked_in_at, comes.one().checked_in_by) == (at(-10), "arrival")
    blocked = Space(booked())
    blocked.at(-20, occupied=True)
    assert blocked.at(-15) == ["opened", "obstructed"]
    assert blocked.at(40) == [], "neither check-in nor no-show"
    assert blocked.at(60) == ["completed"]


def test_an_arrival_between_the_lead_time_and_a_late_tick_is_one():
    space = Space(booked())
    assert space.at(-14, occupied=True) == ["opened", "checkedin"]


def test_an_arrival_that_has_left_before_we_hear_of_it_counts():
    space = Space(booked())
    space.at(-15)
    space.at(3, occupied=False)
    assert space.at(5, arrived=2) == ["checkedin"]
    assert space.one().checked_in_at == at(2)
    assert space.at(6, arrived=2) == []


def test_an_arrival_told_twice_checks_in_one_reservation_alone():
    """Somebody books the minutes before a reservation that is open already: both windows are open."""
    space = Space(booked(2, start=10, end=60))
    assert space.at(-5) == ["opened"]
    space.reservations = (booked(1, start=0, end=10, booked_at=-4), *space.reservations)
    assert space.at(-4) == ["opened"]
    assert space.at(1, occupied=True, arrived=1) == ["checkedin"]
    assert space.at(2, arrived=1) == []
    assert (space.one(1).checked_in_at, space.one(2).checked_in_at) == (at(1), None)
    space.at(7, occupied=False)
    assert space.at(8, occupied=True, arrived=8) == ["checkedin"], "who runs is there already: it is the next one's"
    assert space.one(2).checked_in_at == at(8)
    assert space.at(10) == ["completed", "updated"], "the one beside it holds the space alone now"
    assert space.told[-1].is_open


def test_a_vehicle_that_stays_beyond_its_own_reservation_obstructs_the_one_beside_it():
    space = Space(booked(2, start=10, end=60))
    space.at(-5)
    space.reservations = (booked(1, start=0, end=10, booked_at=-4), *space.reservations)
    space.at(-4)
    assert space.at(1, occupied=True) == ["checkedin"]
    assert space.at(9) == [], "while its own reservation runs it is in nobody's way"
    assert space.at(10) == ["completed", "updated", "obstructed"]


def test_a_vehicle_seen_again_after_silence_has_not_come_anew():
    space = Space(booked())
    space.at(-60, occupied=True)
    seen, space.sensor = space.sensor, None
    assert space.at(-15) == ["opened"]
    space.sensor = seen
    assert space.at(5, arrived=5) == ["obstructed"]


def test_who_was_obstructed_gets_the_whole_grace_once_the_way_is_clear():
    space = Space(booked())
    space.at(-30, occupied=True)
    space.at(-15)
    assert space.at(20, occupied=False) == []
    assert space.one().cleared_at == at(20)
    assert space.at(34) == []
    assert space.at(35) == ["no_show"]
    returned = Space(booked())
    returned.at(-30, occupied=True)
    returned.at(-15)
    returned.at(20, occupied=False)
    assert returned.at(22, occupied=True) == ["checkedin"]


def test_whose_grace_a_restore_began_anew_and_who_is_obstructed_then_gets_it_once_the_way_is_clear():
    space = Space(booked())
    space.at(-30, occupied=True)
    space.reservations = (msgspec.structs.replace(booked(), opened_at=at(-15), cleared_at=at(0)),)
    assert space.at(1) == ["obstructed"]
    assert space.at(20, occupied=False) == []
    assert space.at(34) == []
    assert space.at(35) == ["no_show"]


def test_an_obstruction_hidden_by_silence_goes_on_afterwards():
    space = Space(booked())
    space.at(-30, occupied=True)
    space.at(-15)
    seen, space.sensor = space.sensor, None
    assert space.at(5) == []
    assert space.one().cleared_at == at(5)
    space.sensor = seen
    assert space.at(19) == []
    assert space.one().cleared_at is None
    assert space.at(25) == []


def test_nobody_coming_releases_the_space_and_lets_the_next_one_open():
    space = Space(booked(1), booked(2, start=60, end=90))
    space.at(-15)
    assert space.at(14.9) == []
    assert space.at(15) == ["no_show"]
    assert (space.one().status, space.one().ended_at) == ("no_show", at(15))
    assert space.at(45) == ["opened"]


def test_a_reservation_shorter_than_the_grace_is_completed():
    space = Space(booked(end=10))
    space.at(-15)
    assert space.at(10) == ["completed"]


def test_after_an_outage_nobody_is_missed_at_once():
    space = Space(booked())
    assert space.at(30) == ["opened"]
    assert space.at(44) == []
    assert space.at(45) == ["no_show"]
    heard = Space(booked())
    assert heard.at(30, arrived=5) == ["opened", "checkedin"]
    gone = Space(booked())
    assert gone.at(90) == ["completed"]


def test_an_overstay_is_told_once_and_only_of_the_vehicle_that_stayed():
    space = Space(booked())
    space.at(-15)
    space.at(0, occupied=True)
    assert space.at(60) == ["completed"]
    assert space.at(64) == []
    assert space.at(65) == ["overstayed"]
    assert space.at(70) == []
    left = Space(booked())
    left.at(-15)
    left.at(0, occupied=True)
    left.at(60, occupied=False)
    left.at(62, occupied=True)
    assert left.at(65) == []


def test_a_deleted_space_cancels_what_is_active():
    space = Space(booked(1), booked(2, start=600, end=660))
    assert space.at(-15, deleted=True) == ["cancelled", "cancelled"]
    assert space.one().cancel_reason == "the space was deleted"


def layer(told: list[object]) -> UUID | None:
    """Whom the space shows as reserved for, by the events alone, as its owner applies them."""
    held: UUID | None = None
    for event in told:
        match event:
            case ReservationOpened(reservation_id=reservation_id):
                held = reservation_id
            case ReservationUpdated(reservation_id=reservation_id, is_open=True) if held is None:
                held = reservation_id
            case ReservationReleased(reservation_id=reservation_id) if held == reservation_id:
                held = None
    return held


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Reservation], list[tuple[float, bool | None, float | None]]]:
    """Reservations that do not overlap, and moments at which something is seen or told."""
    start, reservations = 0.0, []
    for number in range(draw(st.integers(1, 4))):
        start += draw(st.integers(0, 40))
        end = start + draw(st.integers(1, 90))
        reservations.append(booked(number, start=start, end=end, booked_at=draw(st.integers(-60, int(start)))))
        start = end
    gaps = draw(st.lists(st.integers(1, 25), min_size=1, max_size=30))
    moment, moments = -40.0, []
    for gap in gaps:
        moment += gap
        told = draw(st.one_of(st.none(), st.integers(0, 30)))
        moments.append((moment, draw(st.sampled_from([None, True, False])), None if told is None else moment - told))
    return reservations, moments


@given(lives())
def test_whatever_happens_every_reservation_is_held_once_and_ends_once(life):
    reservations, moments = life
    space = Space()
    for moment, occupied, arrived in moments:
        fresh = [one for one in reservations if one.created_at <= at(moment)]
        reservations = [one for one in reservations if one not in fresh]
        space.reservations = tuple(sorted((*space.reservations, *fresh), key=lambda one: one.starts_at))
        space.at(moment, occupied=occupied, arrived=arrived)
        for one in space.reservations:
            assert one.is_active == (one.ended_at is None)
            assert not one.is_active or one.ends_at > at(moment)
            assert one.opened_at is None or one.opened_at >= one.starts_at - RULES.lead
            assert one.checked_in_at is None or one.checked_in_at < one.ends_at
        arrivals = Counter(one.checked_in_at for one in space.reservations if one.checked_in_at)
        assert all(times == 1 for times in arrivals.values()), "one vehicle, one reservation"
        open_now = [one.id for one in space.reservations if one.is_active and one.opened_at]
        assert layer(space.told) in (open_now or [None]), "the events say what the table says"
    kinds = Counter((type(event), event.reservation_id) for event in space.told)
    assert all(times == 1 for (kind, _), times in kinds.items() if kind is not ReservationUpdated)


@given(lives(), st.integers(0, 10))
def test_a_second_look_at_the_same_moment_changes_nothing(life, repetitions):
    reservations, moments = life
    space = Space(*(msgspec.structs.replace(one, created_at=at(-600)) for one in reservations))
    for moment, occupied, arrived in moments:
        space.at(moment, occupied=occupied, arrived=arrived)
        for _ in range(repetitions):
            assert space.at(moment, arrived=arrived) == []
