"""The hot path's messages: one uplink as the ingestor understood it, and the tick that proves its source alive.

Produced by uplink_ingestor on the UPLINKS stream (`Nats-Msg-Id` = `<source>:<event>:<deduplicationId>`); consumed by
occupancy_engine. The LoRaWAN payload is carried untouched: decoding is the engine's work.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from parking_contracts.device import DeviceFact
from parking_contracts.moment import Moment

FrameCount = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Port = Annotated[int, Meta(ge=0, le=255)]
Rssi = Annotated[int, Meta(ge=-32_768, le=32_767)]
Snr = Annotated[float, Meta(ge=-32_768, le=32_767)]


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """One LoRaWAN gateway's reception of the frame: rssi in dBm, snr in dB, `ns_time` its network-server time."""

    gateway_id: str
    rssi: Rssi | None = None
    snr: Snr | None = None
    ns_time: Moment | None = None


class UplinkReceived(DeviceFact, frozen=True, kw_only=True):
    """One uplink frame. `object` is ChirpStack's own decoding as raw JSON; frequency is in Hz.

    `f_port` 0 or empty `data` is a MAC-only frame and says nothing about occupancy.
    """

    dev_addr: str
    f_cnt: FrameCount
    f_port: Port
    data: bytes = b""
    object: msgspec.Raw = msgspec.Raw(b"null")
    receptions: tuple[Reception, ...] = ()
    confirmed: bool = False
    adr: bool = False
    dr: int = 0
    frequency: int | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A live source's heartbeat through UPLINKS, every 5 s: silence is judged against it, not against a clock."""

    source: str
    at: Moment
