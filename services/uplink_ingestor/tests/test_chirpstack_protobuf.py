"""ChirpStack's protobuf marshaler says the same as its JSON marshaler, and nothing breaks its reading."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import DeviceLogged, DeviceStatus
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EVENTS, EventName
from parking_contracts.uplink import UplinkReceived
from parking_simulator.chirpstack_events import MESSAGES
from uplink_ingestor.chirpstack_json import parse_json
from uplink_ingestor.chirpstack_protobuf import parse_protobuf
from uplink_ingestor.topics import EventTopic

NOW = datetime(2026, 7, 22, 16, 0, 1, tzinfo=UTC)


def message(event: EventName, body: dict[str, Any]) -> Any:
    return ParseDict(body, MESSAGES[event]())


def read(event: EventName, raw: bytes):
    return parse_protobuf(EventTopic(event), raw, source="chirpstack", received_at=NOW)


@pytest.mark.parametrize("event", EVENTS)
def test_both_marshalers_mean_the_same(body, event: EventName):
    by_json = parse_json(EventTopic(event), json.dumps(body(event)).encode(), source="chirpstack", received_at=NOW)
    by_protobuf = read(event, message(event, body(event)).SerializeToString())
    if isinstance(by_json, UplinkReceived):
        assert json.loads(bytes(by_protobuf.object)) == json.loads(bytes(by_json.object))
        by_json = type(by_json)(**{**fields(by_json), "object": by_protobuf.object})
    assert by_protobuf == by_json


def fields(fact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "location"])
def test_an_event_of_which_only_the_device_is_set_is_normal(body, event: EventName):
    bare = MESSAGES[event](device_info=message("up", {"deviceInfo": body()["deviceInfo"]}).device_info)
    assert read(event, bare.SerializeToString()).dev_eui == "0101010101010101"


def changed(event: EventName, body, change) -> bytes:
    altered = message(event, body(event))
    change(altered)
    return altered.SerializeToString()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("event", "change", "names"),
    [
        ("up", lambda up: setattr(up, "f_port", 256), "f_port"),
        ("up", lambda up: setattr(up.rx_info[0], "snr", NAN), "rx_info.snr"),
        ("up", lambda up: setattr(up.rx_info[0], "snr", INF), "rx_info.snr"),
        ("up", lambda up: setattr(up.rx_info[0], "rssi", 2**31 - 1), "rx_info.rssi"),
        ("up", lambda up: setattr(up.rx_info[0], "gateway_id", "nope"), "gatewayId"),
        ("up", lambda up: setattr(up, "dev_addr", "0" * 9), "dev_addr"),
        ("status", lambda status: setattr(status, "margin", 2**15), "margin"),
        ("up", lambda up: up.object.update({"x": NAN}), "object"),
        ("up", lambda up: up.object.update({"x": "a\0"}), "object"),
        ("up", lambda up: setattr(up.time, "seconds", 10**13), "time"),
        ("up", lambda up: setattr(up.device_info, "dev_eui", "12"), "devEui"),
        ("up", lambda up: setattr(up.device_info, "device_name", "a\0b"), "NUL"),
        ("status", lambda status: setattr(status, "battery_level", NAN), "battery_level"),
        ("status", lambda status: setattr(status, "battery_level", 101), "battery_level"),
        ("location", lambda event: setattr(event.location, "latitude", NAN), "location.latitude"),
        ("location", lambda event: setattr(event.location, "longitude", 181), "location.longitude"),
        ("location", lambda event: setattr(event.location, "altitude", INF), "location.altitude"),
        ("location", lambda event: event.ClearField("location"), "location"),
        ("join", lambda join: join.ClearField("device_info"), "device_info"),
    ],
)
def test_what_cannot_be_is_poison_and_the_detail_names_the_field(body, event: EventName, change, names: str):
    with pytest.raises(PoisonError, match=names):
        read(event, changed(event, body, change))


def test_years_long_past_and_to_come_are_no_poison(body):
    for seconds in (0, 4102444799):
        assert read("up", changed("up", body, lambda up, seconds=seconds: setattr(up.time, "seconds", seconds))).time


def test_a_log_code_of_a_newer_release_is_kept_as_its_number(body):
    logged = read("log", changed("log", body, lambda log: setattr(log, "code", 999)))
    assert isinstance(logged, DeviceLogged)
    assert logged.code == "999"


def test_a_battery_that_is_not_known_is_absent(body):
    status = read("status", changed("status", body, lambda status: setattr(status, "battery_level_unavailable", True)))
    assert isinstance(status, DeviceStatus)
    assert status.battery_percent is None


def test_text_that_is_neither_marshaler_is_poison():
    with pytest.raises(PoisonError) as poison:
        read("up", b"hello world")
    assert poison.value.code == DeadLetterCode.INVALID_ENCODING


@given(st.sampled_from(EVENTS), st.binary(max_size=300))
def test_random_bytes_are_poison_or_an_event(event: EventName, raw: bytes):
    with contextlib.suppress(PoisonError):
        read(event, raw)


@given(st.sampled_from(EVENTS), st.data())
def test_an_event_with_a_few_bytes_changed_is_poison_or_an_event(body, event: EventName, data):
    raw = bytearray(message(event, body(event)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PoisonError):
        read(event, bytes(raw))
