"""Commands on application bindings and devices, answered by occupancy_engine.

A binding says which tenant a ChirpStack application belongs to, and which clock its events follow. A device belongs
to its application's tenant; registering one before it was heard is allowed and has no effect until then.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parking_contracts import subjects
from parking_contracts.command import CommandBody
from parking_contracts.moment import Moment

OWNER = "occupancy"

Clock = Literal["live", "recorded"]
HeartbeatSeconds = Annotated[int, Meta(ge=10, le=30 * 86_400)]


class BindApplication(CommandBody, frozen=True, kw_only=True):
    """Events of this application, as `source` delivers it, belong to the command's tenant.

    `clock` "recorded" trusts ChirpStack's `time` (replays). `object_mapping` configures the reading of ChirpStack's
    own `object` (see parking_codecs.object_mapping) for devices without a codec. Frames that waited as orphans are
    taken in. Answers a Bound.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "application.bind")
    source: Annotated[str, Meta(min_length=1, max_length=100)]
    application_id: Annotated[str, Meta(min_length=1, max_length=100)]
    clock: Clock = "live"
    object_mapping: dict[str, Any] | None = None


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """How many waiting frames a binding or an assignment took in."""

    frames_taken_in: int


class UnbindApplication(CommandBody, frozen=True, kw_only=True):
    """Later events of it wait as orphans."""

    subject: ClassVar[str] = subjects.command(OWNER, "application.unbind")
    source: str
    application_id: str


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device as clients see it: dBm, dB, volts, per cent, degrees Celsius and seconds."""

    tenant_id: UUID
    dev_eui: str
    name: str
    profile_name: str
    codec: str | None
    codec_in_use: str | None
    heartbeat_seconds: int
    space_id: UUID | None
    occupied: bool | None
    last_seen_at: datetime | None
    silent: bool
    flapping: bool
    battery_volts: float | None
    battery_percent: float | None
    temperature_celsius: float | None
    rssi: int | None
    snr: float | None
    decoder_errors: int
    network_errors: int
    last_error: str | None


class RegisterDevice(CommandBody, frozen=True, kw_only=True):
    """Make a device known, or change its settings. Answers a DeviceView.

    `codec` names a codec and goes before profile and DevEUI prefix; `heartbeat_seconds` overrides the codec's own
    reporting interval; `confirm_seconds` holds a change back until it has lasted that long. Null clears.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "device.register")
    dev_eui: str
    name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    codec: str | UnsetType | None = UNSET
    heartbeat_seconds: HeartbeatSeconds | UnsetType | None = UNSET
    confirm_seconds: Annotated[int, Meta(ge=0, le=86_400)] | UnsetType = UNSET


class RemoveDevice(CommandBody, frozen=True, kw_only=True):
    """Refused as RESOURCE_IN_USE while a space uses it. Readings stay."""

    subject: ClassVar[str] = subjects.command(OWNER, "device.remove")
    dev_eui: str


class AssignDevice(CommandBody, frozen=True, kw_only=True):
    """Make it the sensor of a space (null takes it off). Answers a DeviceView."""

    subject: ClassVar[str] = subjects.command(OWNER, "device.assign")
    dev_eui: str
    space_id: UUID | None


class Redecode(CommandBody, frozen=True, kw_only=True):
    """Read one device's stored payloads again with today's codec. Answers a Redecoded."""

    subject: ClassVar[str] = subjects.command(OWNER, "device.redecode")
    dev_eui: str
    since: Moment | None = None


class Redecoded(msgspec.Struct, frozen=True, kw_only=True):
    """What a re-decoding did: readings read, readings that now say something else, stays written anew."""

    readings: int
    changed: int
    stays_changed: int
