"""ChirpStack's JSON marshaler, event by event, and everything that is wrong with a body."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import (
    DeviceFact,
    DeviceJoined,
    DeviceLocated,
    DeviceLogged,
    DeviceStatus,
    DownlinkAcknowledged,
    DownlinkTransmitted,
)
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EVENTS, EventName
from parking_contracts.uplink import Reception, UplinkReceived
from uplink_ingestor.chirpstack_json import parse_json
from uplink_ingestor.topics import EventTopic, parse_topic

NOW = datetime(2026, 7, 22, 16, 0, 1, tzinfo=UTC)
APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
TOPIC = f"application/{APPLICATION}/device/0101010101010101/event/"


def read(event: EventName, body: dict[str, Any] | bytes) -> DeviceFact:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_json(parse_topic(TOPIC + event), raw, source="chirpstack", received_at=NOW)


def test_an_uplink_is_read_in_full(body):
    assert read("up", body("up")) == UplinkReceived(
        source="chirpstack",
        dev_eui="0101010101010101",
        application_id=APPLICATION,
        application_name="parking",
        network_tenant_id="52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
        device_name="bay-17",
        device_profile_name="Bosch TPS110",
        tags={"bay": "A-17"},
        deduplication_id="3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        time=datetime(2026, 7, 22, 16, 0, 0, 123456, tzinfo=UTC),
        received_at=NOW,
        dev_addr="00189440",
        f_cnt=0,
        f_port=2,
        data=b"\x01\x2a",
        object=msgspec.Raw(b'{"occupied": true, "n": 3.0}'),
        receptions=(
            Reception(
                gateway_id="0016c001f153a14c",
                rssi=-36,
                snr=10.5,
                ns_time=datetime(2026, 7, 22, 16, 0, 0, 201000, tzinfo=UTC),
            ),
        ),
        confirmed=False,
        adr=True,
        dr=5,
        frequency=868300000,
    )


def test_every_other_event_is_read(body):
    joined = read("join", body("join"))
    assert isinstance(joined, DeviceJoined)
    assert joined.dev_addr == "00189440"
    acknowledged = read("ack", body("ack"))
    assert isinstance(acknowledged, DownlinkAcknowledged)
    assert (acknowledged.acknowledged, acknowledged.f_cnt_down) == (False, 3)
    transmitted = read("txack", body("txack"))
    assert isinstance(transmitted, DownlinkTransmitted)
    assert (transmitted.downlink_id, transmitted.gateway_id) == (3461958127, "0016c001f153a14c")
    logged = read("log", body("log"))
    assert isinstance(logged, DeviceLogged)
    assert (logged.level, logged.code, logged.context["f_cnt_up"]) == ("WARNING", "UPLINK_F_CNT_RETRANSMISSION", "7")
    status = read("status", body("status"))
    assert isinstance(status, DeviceStatus)
    assert (status.margin, status.external_power, status.battery_percent) == (10, False, 88.5)
    located = read("location", body("location"))
    assert isinstance(located, DeviceLocated)
    assert (located.latitude, located.longitude, located.altitude) == (37.34, -8.83, 2.0)


@pytest.mark.parametrize("flag", ["batteryLevelUnavailable", "externalPowerSource"])
def test_a_battery_that_is_not_known_is_absent_and_not_empty(body, flag: str):
    status = read("status", body("status", batteryLevel=0.0, **{flag: True}))
    assert isinstance(status, DeviceStatus)
    assert status.battery_percent is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rxInfo": []},
        {"rxInfo": None},
        {"txInfo": None},
        {"object": None},
        {"data": ""},
        {"fPort": 0},
        {"time": None},
        {"regionConfigId": None},
        {"relayRxInfo": {"devEui": "0202020202020202", "frequency": 868100000}},
        {"aFieldOfTheNextRelease": [1, {"x": None}]},
        {"time": "1970-01-01T00:00:00+00:00"},
        {"time": "2099-12-31T23:59:59.999999999Z"},
    ],
)
def test_what_chirpstack_may_leave_out_or_add_is_normal(body, changes: dict[str, Any]):
    assert isinstance(read("up", body("up", **changes)), UplinkReceived)


@pytest.mark.parametrize("fraction", ["", ".123", ".123456", ".123456789"])
def test_time_has_any_number_of_decimals(body, fraction: str):
    time = read("up", body("up", time=f"2026-07-22T16:00:00{fraction}+00:00")).time
    assert time is not None
    assert time.replace(microsecond=0) == datetime(2026, 7, 22, 16, tzinfo=UTC)
    assert time.microsecond // 1000 == (123 if fraction else 0)


def test_defaults_left_out_of_rx_info_read_as_unknown_strength_and_zero_snr(body):
    uplink = read("up", body("up", rxInfo=[{"gatewayId": "0016C001F153A14C"}, {"rssi": -100}]))
    assert isinstance(uplink, UplinkReceived)
    assert uplink.receptions == (Reception(gateway_id="0016c001f153a14c", rssi=None, snr=0.0, ns_time=None),)


@pytest.mark.parametrize("notation", ["0A0B0C0D0E0F1011", "0a:0b:0c:0d:0e:0f:10:11", "0A-0B-0C-0D-0E-0F-10-11"])
def test_a_dev_eui_in_any_notation_is_the_same_device(body, notation: str):
    info = {**body()["deviceInfo"], "devEui": notation}
    topic = parse_topic(f"application/{APPLICATION}/device/0a0b0c0d0e0f1011/event/up")
    fact = parse_json(topic, json.dumps(body(deviceInfo=info)).encode(), source="s", received_at=NOW)
    assert fact.dev_eui == "0a0b0c0d0e0f1011"


ENCODING, EVENT, VALUE, IDENTITY = (
    DeadLetterCode.INVALID_ENCODING,
    DeadLetterCode.INVALID_EVENT,
    DeadLetterCode.INVALID_VALUE,
    DeadLetterCode.IDENTITY_MISMATCH,
)
WRONG: list[tuple[dict[str, Any], DeadLetterCode, str]] = [
    ({"fCnt": -1}, VALUE, "$.fCnt"),
    ({"fCnt": 2**32}, VALUE, "$.fCnt"),
    ({"fCnt": 10**30}, VALUE, "$.fCnt"),
    ({"fCnt": "7"}, EVENT, "$.fCnt"),
    ({"fCnt": 1.5}, EVENT, "$.fCnt"),
    ({"fPort": 256}, VALUE, "$.fPort"),
    ({"fPort": -1}, VALUE, "$.fPort"),
    ({"data": "not base64!"}, VALUE, "$.data"),
    ({"data": 5}, EVENT, "$.data"),
    ({"time": "yesterday"}, VALUE, "$.time"),
    ({"time": "2026-07-22T16:00:00"}, VALUE, "$.time"),
    ({"time": "2026-02-30T16:00:00Z"}, VALUE, "$.time"),
    ({"deviceInfo": None}, EVENT, "deviceInfo"),
    ({"deviceInfo": {}}, VALUE, "deviceInfo.devEui"),
    ({"rxInfo": {}}, EVENT, "$.rxInfo"),
    ({"rxInfo": [{"rssi": "loud"}]}, EVENT, "$.rxInfo[0].rssi"),
    ({"rxInfo": [{"gatewayId": "zz"}]}, VALUE, "gatewayId"),
    ({"object": [1, 2]}, VALUE, "$.object"),
    ({"object": {"x": "\ud800"}}, ENCODING, "JSON"),
    ({"deduplicationId": 5}, EVENT, "$.deduplicationId"),
    ({"devAddr": "a\0b"}, VALUE, "NUL"),
    ({"devAddr": "0" * 9}, VALUE, "$.devAddr"),
    ({"rxInfo": [{"rssi": 2**31 - 1}]}, VALUE, "$.rxInfo[0].rssi"),
    ({"rxInfo": [{"snr": -1e308}]}, VALUE, "$.rxInfo[0].snr"),
]


@pytest.mark.parametrize(("changes", "code", "names"), WRONG)
def test_what_cannot_be_is_poison_and_the_detail_names_the_field(body, changes, code, names: str):
    with pytest.raises(PoisonError) as poison:
        read("up", body("up", **changes))
    assert poison.value.code == code, poison.value.detail
    assert names in poison.value.detail


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", ENCODING),
        (b"hello", ENCODING),
        (b"{", ENCODING),
        (b"[]", EVENT),
        (b"null", EVENT),
        (b'{"deviceInfo":{"devEui":"\xff\xfe"}}', ENCODING),
        (b'{"unknown":"\xff"}', ENCODING),
        (b'{"fCnt":NaN}', ENCODING),
        (b'{"x":' * 100_000, EVENT),
        (b"[" * 1_000_000, EVENT),
    ],
)
def test_what_is_no_json_object_is_poison(raw: bytes, code: DeadLetterCode):
    with pytest.raises(PoisonError) as poison:
        read("up", raw)
    assert poison.value.code in (code, ENCODING)


def test_infinity_in_the_object_is_poison(body):
    raw = json.dumps(body("up")).encode().replace(b"3.0", b"1e999")
    with pytest.raises(PoisonError) as poison:
        read("up", raw)
    assert "$.object" in poison.value.detail


@pytest.mark.parametrize(
    ("event", "changes", "names"),
    [
        ("location", {"location": {"latitude": 91.0}}, "latitude"),
        ("location", {"location": None}, "location"),
        ("status", {"batteryLevel": 101}, "batteryLevel"),
        ("status", {"margin": 2**15}, "margin"),
        ("status", {"batteryLevel": "NaN"}, "batteryLevel"),
        ("txack", {"gatewayId": "nope"}, "gatewayId"),
        ("txack", {"downlinkId": -1}, "downlinkId"),
    ],
)
def test_the_other_events_have_impossible_values_too(body, event: EventName, changes, names: str):
    with pytest.raises(PoisonError, match=names):
        read(event, body(event, **changes))


def test_topic_and_body_must_speak_of_the_same_device_and_application(body):
    raw = json.dumps(body()).encode()
    for topic in (
        f"application/{APPLICATION}/device/0202020202020202/event/up",
        "application/another/device/0101010101010101/event/up",
    ):
        with pytest.raises(PoisonError) as poison:
            parse_json(parse_topic(topic), raw, source="s", received_at=NOW)
        assert poison.value.code == IDENTITY


def test_without_a_topic_the_body_alone_says_who_speaks(body):
    fact = parse_json(EventTopic("up"), json.dumps(body()).encode(), source="s", received_at=NOW)
    assert (fact.dev_eui, fact.application_id) == ("0101010101010101", APPLICATION)


@given(st.sampled_from(EVENTS), st.binary(max_size=300))
def test_random_bytes_are_poison_or_an_event(event: EventName, raw: bytes):
    with contextlib.suppress(PoisonError):
        read(event, raw)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", "AQ==", "0" * 16]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_an_event_with_any_one_field_replaced_is_poison_or_can_be_published(body, data):
    event = data.draw(st.sampled_from(EVENTS))
    changed = body(event)
    owner = changed
    while True:
        name = data.draw(st.sampled_from(sorted(owner)))
        if isinstance(owner[name], dict) and owner[name] and data.draw(st.booleans()):
            owner = owner[name]
            continue
        owner[name] = data.draw(JSON_VALUES)
        break
    try:
        fact = read(event, json.dumps(changed).encode())
    except PoisonError:
        return
    assert msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)) == fact


def test_an_application_id_too_long_to_be_bound_is_poison(body):
    raw = json.dumps(body("up")).encode().replace(APPLICATION.encode(), b"a" * 101)
    with pytest.raises(PoisonError) as poison:
        parse_json(EventTopic("up"), raw, source="chirpstack", received_at=NOW)
    assert (poison.value.code, "101 characters" in poison.value.detail) == (VALUE, True)
