"""Events as ChirpStack writes them, and what becomes of them on bad roads: pure, and the same for the same dice.

A dice (`random.Random`, seeded, or Hypothesis's own that shrinks) comes in; topics and bodies go out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from parking_contracts.subjects import EVENTS, EventName
from parking_simulator.chirpstack_events import MESSAGES
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID
from stack.sample_events import DEVICE_INFO, make_body

OTHER_APPLICATION = "00000000-0000-4000-8000-00000000beef"
PROFILES = ("Bosch TPS110", "Nwave NPS405", "PNI PlacePod", "Tekzitel TEKZIPARK", "unheard of", "", "Kuando Busylight")
# What a sender that is broken, or means ill, may put where something else belongs.
HOSTILE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        256,
        2**16,
        2**31,
        2**32,
        2**53 + 1,
        2**63,
        2**64,
        10**30,
        1.5,
        5_000.0,
        -40_000,
        -0.0,
        1e308,
        5e-324,
    ),
    *(float("nan"), float("inf"), -float("inf"), "", " ", "0", "\0", "a\0b", "\ud800", "\u202e", "\U0001f697" * 50),
    *("x" * 5_000, "'; DROP TABLE occupancy.devices; --", "${jndi:x}", "%%%", "../../etc/passwd", "1e400", "NaN"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:60+14:00", "2026-07-22T16:00:00", "2026-02-30T00:00:00Z", "yesterday"),
    *([], {}, [[]], [None], {"": ""}, {"\0": 1}, [1] * 300, {"a": {"b": {"c": [{}]}}}),
)


class Sent(msgspec.Struct, frozen=True):
    """One message as it is handed to the broker."""

    topic: str
    body: bytes


def eui(number: int) -> str:
    """A DevEUI of no codec's prefix."""
    return f"0f0f{number:012x}"


def event_body(dice: Random, event: EventName, dev_eui: str, at: datetime, f_cnt: int = 1) -> dict[str, Any]:
    """An event that is as it should be."""
    told = {"deviceProfileName": dice.choice(PROFILES), "deviceName": f"bay-{f_cnt}", "devEui": dev_eui}
    return make_body(
        event,
        deduplicationId=str(UUID(int=dice.getrandbits(128))),
        time=at.isoformat(),
        deviceInfo=deepcopy(DEVICE_INFO) | told,
        **(_OWN[event](dice, at, f_cnt) if event in _OWN else {}),
    )


def _up(dice: Random, at: datetime, f_cnt: int) -> dict[str, Any]:
    heard = {"gatewayId": GATEWAY_ID, "nsTime": at.isoformat(), "rssi": -dice.randint(30, 120), "snr": 7.5}
    return {
        "fCnt": f_cnt,
        "fPort": 1,
        "data": base64.b64encode(bytes([dice.getrandbits(1)])).decode(),
        "rxInfo": [heard] * dice.randint(0, 2),
    }


# What differs from one event to the next, where the sample would say the same each time.
_OWN: dict[EventName, Callable[[Random, datetime, int], dict[str, Any]]] = {
    "up": _up,
    "txack": lambda dice, *_: {"downlinkId": dice.getrandbits(32)},
    "log": lambda dice, *_: {"level": "ERROR", "code": "UPLINK_CODEC", "description": str(dice.random())},
}


def hostile(dice: Random, event: EventName, dev_eui: str, at: datetime) -> bytes:
    """The body of an event that something has happened to; by luck it may still be one."""
    body = event_body(dice, event, dev_eui, at, dice.randint(0, 2**32 - 1))
    for _ in range(dice.randint(0, 3)):
        _spoil(dice, body)
    if dice.random() < 0.3 and (raw := _as_protobuf(event, body)) is not None:
        pass
    else:
        raw = json.dumps(body, ensure_ascii=dice.random() < 0.8).encode("utf-8", "surrogatepass")
    return dice.choice(_ROADS)(dice, raw)


def hostile_topic(dice: Random, event: str, dev_eui: str) -> str:
    """A topic that the platform subscribes to, and that may name anything."""
    application = dice.choice([APPLICATION_ID] * 8 + [OTHER_APPLICATION, "", "x" * 300, "\u00e9"])
    name = dice.choice([event] * 10 + ["integration", "", "UP", "up ", "x" * 100])
    device = dice.choice([dev_eui] * 8 + [dev_eui.upper(), dev_eui[:-1], "", f"{dev_eui}00", "nobody"])
    return f"application/{application}/device/{device}/event/{name}"


def _spoil(dice: Random, body: Any) -> None:
    """Take away, put in or replace one thing somewhere in a body."""
    keys = list(body) if isinstance(body, dict) else list(range(len(body)))
    if not keys:
        return
    key = dice.choice(keys)
    inner = body[key]
    if isinstance(inner, dict | list) and inner and dice.random() < 0.6:
        _spoil(dice, inner)
    elif dice.random() < 0.25:
        del body[key]
    elif isinstance(body, dict) and dice.random() < 0.15:
        body[dice.choice(["", "unknown", "fCnt", "__proto__", "\0"])] = deepcopy(dice.choice(HOSTILE))
    else:
        body[key] = deepcopy(dice.choice(HOSTILE))


def _as_protobuf(event: EventName, body: dict[str, Any]) -> bytes | None:
    try:
        raw: bytes = ParseDict(body, MESSAGES[event](), ignore_unknown_fields=True).SerializeToString()
    except (ParseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, SystemError):
        return None
    return raw


def _flipped(dice: Random, raw: bytes) -> bytes:
    spoiled = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        if spoiled:
            spoiled[dice.randrange(len(spoiled))] = dice.getrandbits(8)
    return bytes(spoiled)


_ROADS: tuple[Callable[[Random, bytes], bytes], ...] = (
    *[lambda _, raw: raw] * 6,
    _flipped,
    _flipped,
    lambda dice, raw: raw[: dice.randint(0, len(raw))],
    lambda _, raw: raw + raw,
    lambda dice, raw: dice.randbytes(dice.randint(0, 300)),
    lambda _, raw: b"{" * 5_000 + raw,
    lambda _, raw: b'{"deviceInfo":' * 3_000 + raw + b"}" * 3_000,
    lambda _, raw: b"\xef\xbb\xbf" + raw,
    lambda _, raw: raw.replace(b'"', b"'"),
    lambda dice, raw: raw + b" " * dice.choice([1, 1 << 20]),
)


def moments(start: datetime) -> Callable[[int], datetime]:
    """A second for each number."""
    return lambda number: start + timedelta(seconds=number)


def any_event(dice: Random) -> EventName:
    """An uplink, mostly."""
    return dice.choice(["up"] * 6 + list(EVENTS))


NOW = datetime(2026, 7, 22, 16, 0, 1, tzinfo=UTC)
