"""The events are what ChirpStack 4.19 writes, in JSON and in protobuf."""

import json
from datetime import UTC, datetime

import pytest
from chirpstack_api import integration
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from parking_contracts.subjects import EventName
from parking_simulator import chirpstack_events as events
from stack.sample_events import make_body

INFO_JSON = {
    "tenantId": "52f14cd4",
    "tenantName": "City",
    "applicationId": "ca739e26",
    "applicationName": "parking",
    "deviceProfileId": "605d08d4",
    "deviceProfileName": "Bosch TPS110",
    "deviceName": "bay-17",
    "devEui": "0101010101010101",
    "deviceClassEnabled": "CLASS_A",
    "tags": {"bay": "A-17"},
}
INFO = events.DeviceInfo(
    tenant_id="52f14cd4",
    tenant_name="City",
    application_id="ca739e26",
    application_name="parking",
    device_profile_id="605d08d4",
    device_profile_name="Bosch TPS110",
    device_name="bay-17",
    dev_eui="0101010101010101",
    tags={"bay": "A-17"},
)
TIME = "2026-07-22T16:00:00.123456+00:00"
LORA_UP = events.LoraModulation(bandwidth=125_000, spreading_factor=7, code_rate="CR_4_5")

UP = events.UplinkEvent(
    deduplication_id="3ac7e3c4",
    time=TIME,
    device_info=INFO,
    dev_addr="00189440",
    adr=True,
    dr=5,
    f_cnt=0,
    f_port=2,
    data=b"\x01*",
    object={"occupied": True, "n": 3.0},
    rx_info=(
        events.RxInfo(
            gateway_id="0016c001f153a14c",
            uplink_id=4217106255,
            ns_time="2026-07-22T16:00:00.201+00:00",
            rssi=-36,
            snr=10.5,
            rf_chain=1,
            location=events.Location(latitude=51.9, longitude=4.5),
            context=bytes([1, 2, 3, 4]),
            crc_status="CRC_OK",
        ),
    ),
    tx_info=events.UplinkTxInfo(frequency=868_300_000, modulation=events.Modulation(lora=LORA_UP)),
    region_config_id="eu868",
)
UP_JSON = make_body("up", deduplicationId="3ac7e3c4", time=TIME, deviceInfo=INFO_JSON)
JOIN = events.JoinEvent(
    deduplication_id="c9db", time=TIME, device_info=INFO, dev_addr="00189440", region_config_id="eu868"
)
ACK = events.AckEvent(deduplication_id="856a", time=TIME, device_info=INFO, queue_item_id="1bbc", f_cnt_down=3)
TXACK = events.TxAckEvent(
    downlink_id=3461958127,
    time=TIME,
    device_info=INFO,
    queue_item_id="42cb",
    f_cnt_down=2,
    gateway_id="0016c001f153a14c",
    tx_info=events.DownlinkTxInfo(
        frequency=867_900_000,
        power=14,
        modulation=events.Modulation(
            lora=events.LoraModulation(
                bandwidth=125_000, spreading_factor=7, code_rate="CR_4_5", polarization_inversion=True
            )
        ),
        timing=events.Timing(delay=events.Delay(delay="1s")),
        context=bytes.fromhex("2026151b"),
    ),
)
LOG = events.LogEvent(
    time=TIME,
    device_info=INFO,
    level="WARNING",
    code="UPLINK_F_CNT_RETRANSMISSION",
    description="...",
    context={"deduplication_id": "3ac7e3c4", "f_cnt_up": "7"},
)
STATUS = events.StatusEvent(deduplication_id="bf2a", time=TIME, device_info=INFO, margin=10, battery_level=88.5)
LOCATION = events.LocationEvent(
    deduplication_id="63d8",
    time=TIME,
    device_info=INFO,
    location=events.Location(latitude=37.34, longitude=-8.83, altitude=2.0),
)
HEAD = {"time": TIME, "deviceInfo": INFO_JSON}
CASES = {
    "up": (UP, UP_JSON),
    "join": (JOIN, {"deduplicationId": "c9db", **HEAD, "devAddr": "00189440", "regionConfigId": "eu868"}),
    "ack": (
        ACK,
        {"deduplicationId": "856a", **HEAD, "queueItemId": "1bbc", "acknowledged": False, "fCntDown": 3},
    ),
    "txack": (
        TXACK,
        {
            "downlinkId": 3461958127,
            **HEAD,
            "queueItemId": "42cb",
            "fCntDown": 2,
            "gatewayId": "0016c001f153a14c",
            "txInfo": {
                "frequency": 867_900_000,
                "power": 14,
                "modulation": {
                    "lora": {
                        "bandwidth": 125_000,
                        "spreadingFactor": 7,
                        "codeRate": "CR_4_5",
                        "polarizationInversion": True,
                    }
                },
                "timing": {"delay": {"delay": "1s"}},
                "context": "ICYVGw==",
            },
        },
    ),
    "log": (
        LOG,
        {
            **HEAD,
            "level": "WARNING",
            "code": "UPLINK_F_CNT_RETRANSMISSION",
            "description": "...",
            "context": {"deduplication_id": "3ac7e3c4", "f_cnt_up": "7"},
        },
    ),
    "status": (
        STATUS,
        {
            "deduplicationId": "bf2a",
            **HEAD,
            "margin": 10,
            "externalPowerSource": False,
            "batteryLevelUnavailable": False,
            "batteryLevel": 88.5,
        },
    ),
    "location": (
        LOCATION,
        {"deduplicationId": "63d8", **HEAD, "location": {"latitude": 37.34, "longitude": -8.83, "altitude": 2.0}},
    ),
}


@pytest.mark.parametrize(("event", "expected"), CASES.values(), ids=CASES)
def test_json_is_written_as_by_chirpstack(event: events.Event, expected: dict[str, object]) -> None:
    assert json.loads(events.encode_json(event)) == expected


@pytest.mark.parametrize("name", CASES)
def test_protobuf_says_the_same_as_json(name: EventName) -> None:
    event, _ = CASES[name]
    from_json = json_format.Parse(events.encode_json(event), events.MESSAGES[name]())
    from_protobuf = events.MESSAGES[name].FromString(events.encode_protobuf(event))
    assert from_protobuf == from_json


def test_protobuf_of_an_uplink_carries_every_field() -> None:
    message = integration.UplinkEvent.FromString(events.encode_protobuf(UP))
    assert message.data == b"\x01*"
    assert message.device_info.dev_eui == "0101010101010101"
    assert message.rx_info[0].ns_time.ToJsonString() == "2026-07-22T16:00:00.201Z"
    assert message.tx_info.modulation.lora.spreading_factor == 7
    assert dict(message.object) == {"occupied": True, "n": 3.0}


@pytest.mark.parametrize("name", CASES)
def test_topic_names_application_device_and_event(name: str) -> None:
    event, _ = CASES[name]
    assert events.topic(event) == f"application/ca739e26/device/0101010101010101/event/{name}"


def test_a_mac_only_frame_writes_its_zeros_and_leaves_out_what_is_unset() -> None:
    frame = events.UplinkEvent(deduplication_id="x", time=TIME, device_info=INFO, dev_addr="00189440")
    written = json.loads(events.encode_json(frame))
    assert (written["fPort"], written["data"], written["rxInfo"]) == (0, "", [])
    assert not {"object", "txInfo", "relayRxInfo", "joinServerContext"} & written.keys()


def test_gateway_messages_leave_defaults_out() -> None:
    assert json.loads(events.encode_json(UP))["rxInfo"][0].keys().isdisjoint({"channel", "board", "antenna", "gwTime"})


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (1_784_736_000_000_000_000, "2026-07-22T16:00:00+00:00"),
        (1_784_736_000_201_000_000, "2026-07-22T16:00:00.201+00:00"),
        (1_784_736_000_123_456_000, "2026-07-22T16:00:00.123456+00:00"),
        (1_784_736_000_123_456_789, "2026-07-22T16:00:00.123456789+00:00"),
        (1_784_736_000_000_000_001, "2026-07-22T16:00:00.000000001+00:00"),
    ],
)
def test_times_have_as_many_decimals_as_they_need(at_ns: int, text: str) -> None:
    assert events.format_time(at_ns) == text


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_times_read_back_as_the_instant(microseconds: int) -> None:
    read = datetime.fromisoformat(events.format_time(microseconds * 1000))
    assert read.tzinfo is not None
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(microseconds / 1e6, abs=1e-6)
