"""What happens to a simulated device, before ChirpStack puts it into words.

Made by `recording` and `city`, put into an order of delivery by `delivery`, rendered by `rendering`.
Instants are nanoseconds since 1970 in UTC, the precision in which ChirpStack speaks.
"""

from __future__ import annotations

import msgspec

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class Device(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One sensor as the network server knows it. `gateways` are the LoRaWAN gateways in its reach, nearest first."""

    dev_eui: str
    name: str
    profile_name: str
    gateways: tuple[str, ...]
    tags: dict[str, str] = {}
    latitude: float | None = None
    longitude: float | None = None


class Uplink(msgspec.Struct, frozen=True, gc=False):
    """One frame. `attempt` above 0 is a retransmission that the network let through: same fCnt, another event."""

    device: Device
    at_ns: int
    dev_addr: str
    f_cnt: int
    f_port: int
    data: bytes
    attempt: int = 0


class Join(msgspec.Struct, frozen=True, gc=False):
    """The network accepted a join; the device's fCnt starts again at 0 under `dev_addr`."""

    device: Device
    at_ns: int
    dev_addr: str


class Status(msgspec.Struct, frozen=True, gc=False):
    """The device answered a status request: margin in dB, battery in per cent."""

    device: Device
    at_ns: int
    margin: int
    battery_percent: float


class Retransmission(msgspec.Struct, frozen=True, gc=False):
    """ChirpStack complains (a `log` event) that the device sent `f_cnt` again."""

    device: Device
    at_ns: int
    f_cnt: int


Occurrence = Uplink | Join | Status | Retransmission
