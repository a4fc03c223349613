"""Repeats: acknowledged at once when the first is stored, later when it is still on its way, lost never."""

from datetime import UTC, datetime, timedelta

from uplink_ingestor import in_flight
from uplink_ingestor.in_flight import InFlight

NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)


class Receipt:
    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.acknowledged = 0

    def acknowledge(self) -> None:
        self.acknowledged += 1


def test_the_first_delivery_departs_and_is_acknowledged_when_it_arrives():
    flight, receipt = InFlight(), Receipt()
    assert flight.depart("a", NOW, receipt)
    assert receipt.acknowledged == 0
    flight.arrive("a", 0.0)
    assert receipt.acknowledged == 1
    assert len(flight) == 0


def test_a_repeat_of_what_is_on_its_way_waits_for_it():
    flight, first, second = InFlight(), Receipt(), Receipt()
    flight.depart("a", NOW, first)
    assert not flight.depart("a", NOW, second)
    assert second.acknowledged == 0
    flight.arrive("a", 0.0)
    assert (first.acknowledged, second.acknowledged) == (1, 1)


def test_a_repeat_of_what_has_arrived_is_acknowledged_at_once():
    flight, receipt = InFlight(), Receipt()
    flight.depart("a", NOW, None)
    flight.arrive("a", 0.0)
    assert not flight.depart("a", NOW, receipt)
    assert receipt.acknowledged == 1


def test_receipts_of_closed_connections_do_not_pile_up():
    flight = InFlight()
    flight.depart("a", NOW, Receipt(is_open=False))
    for _ in range(100):
        flight.depart("a", NOW, Receipt(is_open=False))
    assert len(flight._journeys["a"].receipts) == 1


def test_the_same_delivery_is_kept_once():
    flight, receipt = InFlight(), Receipt()
    for _ in range(3):
        flight.depart("a", NOW, receipt)
    flight.arrive("a", 0.0)
    assert receipt.acknowledged == 1


def test_the_memory_of_what_arrived_is_bounded_in_number_and_time():
    flight = InFlight()
    for number in range(3 * in_flight.REMEMBERED_AT_MOST):
        flight.depart(str(number), NOW, None)
        flight.arrive(str(number), 0.0)
    assert len(flight._arrived) + len(flight._arrived_before) <= 2 * in_flight.REMEMBERED_AT_MOST
    for step in (1, 2):
        flight.depart(f"later-{step}", NOW, None)
        flight.arrive(f"later-{step}", step * (in_flight.REMEMBERED_SECONDS + 1))
    assert flight.depart("74999", NOW, None)


def test_the_oldest_message_on_its_way_is_known():
    flight = InFlight()
    assert flight.oldest_received_at is None
    for seconds in (0, 1, 2):
        flight.depart(str(seconds), NOW + timedelta(seconds=seconds), None)
    flight.arrive("0", 0.0)
    assert flight.oldest_received_at == NOW + timedelta(seconds=1)
