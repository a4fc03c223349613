"""What devices say of themselves, summed up: of each value the last one counts, errors add up."""

from datetime import UTC, datetime
from uuid import UUID

from occupancy_engine.domain.device_facts import Summary, sum_up
from parking_contracts.device import DeviceLocated, DeviceLogged, DeviceStatus

TENANT, EUI = UUID(int=1), "0101010101010101"
FACT = {"source": "s", "dev_eui": EUI, "application_id": "a", "received_at": datetime(2026, 7, 22, tzinfo=UTC)}


def test_the_last_word_counts_and_errors_add_up():
    told = [
        DeviceStatus(**FACT, margin=-7, external_power=True, battery_percent=88.0),
        DeviceLogged(**FACT, level="WARNING", code="OTAA", description="late"),
        DeviceLogged(**FACT, level="INFO", code="HELLO"),
        DeviceStatus(**FACT, margin=10, external_power=False),
        DeviceLocated(**FACT, latitude=1.0, longitude=2.0),
        DeviceLogged(**FACT, level="ERROR", code="UPLINK_CODEC", description="x" * 600),
    ]
    summary = sum_up(told, {("s", "a"): TENANT})[TENANT, EUI]
    assert summary.last_error is not None
    assert (len(summary.last_error), summary.last_error[:14]) == (500, "UPLINK_CODEC: ")
    summary.last_error = None
    assert summary == Summary(88.0, 10, False, 2, None, 1.0, 2.0)


def test_what_nobody_has_bound_is_let_go():
    assert sum_up([DeviceStatus(**FACT, margin=1, external_power=False)], {}) == {}
