"""Devices and application bindings as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.fields import Body, Document, Instant, RequestId, absent
from parking_contracts.device_commands import Clock

Source = Annotated[
    str, Field(min_length=1, max_length=100, description="the integration that delivers its events", examples=["mqtt"])
]
ApplicationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="ChirpStack's application id",
        examples=["ca739e26-7b67-4f14-b69e-d568c22a5a75"],
    ),
]


class Device(BaseModel):
    """A LoRaWAN device of the tenant, as last heard."""

    tenant_id: UUID = Field(description="whom it belongs to")
    dev_eui: str = Field(examples=["70b3d57ed0061a2b"])
    name: str = Field(examples=["Bay A-17"])
    profile_name: str = Field(description="its device profile in ChirpStack", examples=["Bosch TPS110"])
    codec: str | None = Field(description="the codec that was set for it; null: chosen by profile or DevEUI")
    codec_in_use: str | None = Field(description="the codec that read its last payload", examples=["bosch_tps110"])
    source: str | None = Field(description="the integration that delivered its last event", examples=["mqtt"])
    application_id: str | None = Field(
        description="its application in ChirpStack", examples=["ca739e26-7b67-4f14-b69e-d568c22a5a75"]
    )
    interval_seconds: int | None = Field(description="how often it reports, in seconds", examples=[86400])
    space_id: UUID | None = Field(description="the space whose sensor it is")
    occupied: bool | None = Field(description="what it said last", examples=[True])
    last_seen_at: datetime | None
    silent: bool = Field(description="whether it has missed its reports")
    flapping: bool = Field(description="whether it changes its mind suspiciously often")
    battery_volts: float | None = Field(examples=[3.61])
    battery_percent: float | None = Field(examples=[88.0])
    temperature_celsius: float | None = Field(examples=[21.5])
    rssi: int | None = Field(description="dBm, at the gateway that heard it best", examples=[-97])
    snr: float | None = Field(description="dB, at the gateway that heard it best", examples=[7.5])
    margin_db: int | None = Field(description="demodulation margin in dB", examples=[12])
    external_power: bool | None = Field(examples=[False])
    decoder_errors: int = Field(description="payloads that its codec could not read")
    network_errors: int = Field(description="problems that the network server reported")
    last_error: str | None
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])


class DevicePage(BaseModel):
    """Some of the devices, by DevEUI."""

    total: int = Field(description="how many match, on all pages")
    limit: int
    offset: int
    items: list[Device]


OrphanReason = Literal["unknown_application", "no_codec"]


class Orphan(BaseModel):
    """A device that was heard and not taken in: no tenant has its application, or no codec reads it."""

    source: str = Field(description="the integration that delivers its events", examples=["chirpstack"])
    application_id: str = Field(
        description="its application in ChirpStack", examples=["ca739e26-7b67-4f14-b69e-d568c22a5a75"]
    )
    dev_eui: str = Field(examples=["70b3d57ed0061a2b"])
    reason: OrphanReason = Field(
        description="why its newest frame waits: `unknown_application` until the application is bound, `no_codec` "
        "until a codec is set for the device"
    )
    frames: int = Field(description="how many of its frames wait")
    first_received_at: datetime
    last_received_at: datetime
    profile_name: str | None = Field(description="its device profile in ChirpStack")


class OrphanPage(BaseModel):
    """Some of the orphans, the last heard first."""

    total: int = Field(description="how many match, on all pages")
    limit: int
    offset: int
    items: list[Orphan]


class DeviceSettings(Body):
    """What may be set for a device; what is absent stays, null clears."""

    name: str = absent(max_length=100, description="for people")
    codec: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="a codec's name; it goes before profile and DevEUI", examples=["bosch_tps110"]
    )
    heartbeat_seconds: Annotated[int, Field(ge=10, le=30 * 86_400)] | None = Field(
        default=None, description="how often it reports; null: as its codec says"
    )
    confirm_seconds: Annotated[int, Field(ge=0, le=86_400)] = absent(
        description="a change counts only once it has lasted this long; 0: at once"
    )
    request_id: RequestId = None


class Assignment(Body):
    """The space whose sensor the device becomes; null takes it off."""

    space_id: UUID | None
    request_id: RequestId = None


class RedecodeRequest(Body):
    """Which stored payloads to read again."""

    since: Instant | None = Field(default=None, description="received since; null: all that are kept")
    request_id: RequestId = None


class RedecodeResult(BaseModel):
    """What reading them again did."""

    readings: int = Field(description="readings that were read again")
    changed: int = Field(description="readings that now say something else")
    stays_changed: int = Field(description="stays that were written anew")


class Binding(Body):
    """Events of this ChirpStack application belong to a tenant."""

    source: Source
    application_id: ApplicationId
    clock: Clock = Field(default="live", description="`recorded` trusts the events' own time (replays)")
    object_mapping: Document | None = Field(
        default=None, description="how to read ChirpStack's own decoded `object`, for devices without a codec"
    )
    tenant_id: UUID | None = Field(default=None, description="whose its devices are; null: the caller's own tenant's")
    request_id: RequestId = None


class BindingResult(BaseModel):
    """What a binding took in."""

    frames_taken_in: int = Field(description="frames that waited without a tenant")


class Application(BaseModel):
    """A ChirpStack application and the tenant it is bound to."""

    source: str = Field(description="the integration that delivers its events", examples=["chirpstack"])
    application_id: str = Field(
        description="ChirpStack's application id", examples=["ca739e26-7b67-4f14-b69e-d568c22a5a75"]
    )
    tenant_id: UUID = Field(description="whose its devices are")
    clock: Clock = Field(description="`recorded` trusts the events' own time (replays)")
    object_mapping: dict[str, Any] | None = Field(description="how ChirpStack's own decoded `object` is read")
    created_at: datetime


class ApplicationPage(BaseModel):
    """Some of the bindings, by source and application."""

    total: int = Field(description="how many there are, on all pages")
    limit: int
    offset: int
    items: list[Application]
