"""One event of each kind as ChirpStack writes it, from field notes: what tests of its readers begin with."""

import json
from typing import Any

from parking_contracts.subjects import EventName
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, TENANT_ID

DEV_EUI = "0101010101010101"
DEVICE_INFO: dict[str, Any] = {
    "tenantId": TENANT_ID,
    "tenantName": "City",
    "applicationId": APPLICATION_ID,
    "applicationName": "parking",
    "deviceProfileId": "605d08d4-65f5-4d2c-8a5a-3d2457662f79",
    "deviceProfileName": "Bosch TPS110",
    "deviceName": "bay-17",
    "devEui": DEV_EUI,
    "deviceClassEnabled": "CLASS_A",
    "tags": {"bay": "A-17"},
}
TIME = "2026-07-22T16:00:00.123456+00:00"
LORA = {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}
EVENTS: dict[EventName, dict[str, Any]] = {
    "up": {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "devAddr": "00189440",
        "adr": True,
        "dr": 5,
        "fCnt": 0,
        "fPort": 2,
        "confirmed": False,
        "data": "ASo=",
        "object": {"occupied": True, "n": 3.0},
        "rxInfo": [
            {
                "gatewayId": GATEWAY_ID,
                "uplinkId": 4217106255,
                "nsTime": "2026-07-22T16:00:00.201+00:00",
                "rssi": -36,
                "snr": 10.5,
                "rfChain": 1,
                "location": {"latitude": 51.9, "longitude": 4.5},
                "context": "AQIDBA==",
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {"frequency": 868300000, "modulation": {"lora": LORA}},
        "regionConfigId": "eu868",
    },
    "join": {
        "deduplicationId": "c9dbe358-2578-4fb7-b295-66b44edc45a6",
        "devAddr": "00189440",
        "regionConfigId": "eu868",
    },
    "ack": {
        "deduplicationId": "856a0ac6-1d7b-4f0d-9a9a-3c0a2f7e8a11",
        "queueItemId": "1bbc8d7a-0a2e-4f5c-8f15-3b1d1d9f1d55",
        "acknowledged": False,
        "fCntDown": 3,
    },
    "txack": {
        "downlinkId": 3461958127,
        "queueItemId": "42cb5c4f-5d4a-4b6e-9f1f-f3f3a7f0a5c1",
        "fCntDown": 2,
        "gatewayId": GATEWAY_ID,
        "txInfo": {
            "frequency": 867900000,
            "power": 14,
            "modulation": {"lora": {**LORA, "polarizationInversion": True}},
            "timing": {"delay": {"delay": "1s"}},
            "context": "ICYVGw==",
        },
    },
    "status": {
        "deduplicationId": "bf2a1c0e-2f3b-4a52-8ec1-0f5a1c7a4e07",
        "margin": 10,
        "externalPowerSource": False,
        "batteryLevelUnavailable": False,
        "batteryLevel": 88.5,
    },
    "log": {
        "level": "WARNING",
        "code": "UPLINK_F_CNT_RETRANSMISSION",
        "description": "Uplink was flagged as re-transmission",
        "context": {"deduplication_id": "3ac7e3c4", "f_cnt_up": "7"},
    },
    "location": {
        "deduplicationId": "63d8a2f9-52c0-4f0e-bf5e-1d5d9c2c0b5a",
        "location": {"latitude": 37.34, "longitude": -8.83, "altitude": 2.0},
    },
}


def topic_of(event: str = "up", dev_eui: str = DEV_EUI, application: str = APPLICATION_ID) -> str:
    return f"application/{application}/device/{dev_eui}/event/{event}"


def make_body(event: EventName = "up", **changes: Any) -> dict[str, Any]:
    """A fresh event as ChirpStack writes it; a change of None takes the field away."""
    body = json.loads(json.dumps({"time": TIME, "deviceInfo": DEVICE_INFO, **EVENTS[event]}))
    for name, value in changes.items():
        if value is None:
            del body[name]
        else:
            body[name] = value
    return body
