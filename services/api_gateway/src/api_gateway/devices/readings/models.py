"""Readings and the health of a device as HTTP shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.alerts.models import Alert
from api_gateway.http.cursors import NextCursor


class Reception(BaseModel):
    """How one LoRaWAN gateway heard the frame."""

    gateway_id: str = Field(examples=["0016c001f153a14c"])
    rssi: int | None = Field(default=None, description="dBm", examples=[-97])
    snr: float | None = Field(default=None, description="dB", examples=[7.5])
    ns_time: datetime | None = Field(default=None, description="the gateway's network time")


class Reading(BaseModel):
    """A frame of the device: what it carried, and what it was taken to say."""

    session_at: datetime = Field(description="when the device's LoRaWAN session began")
    f_cnt: int = Field(description="its count in the session; both together are its place", examples=[1234])
    received_at: datetime = Field(description="when we received it")
    occurred_at: datetime = Field(description="when it happened, by the most trusted clock")
    space_id: UUID | None = Field(description="the space that the device was on then")
    occupied: bool | None = Field(description="null: the frame does not say", examples=[True])
    f_port: int = Field(description="0: a frame of the network's own", examples=[1])
    payload: str = Field(description="hex", examples=["01"])
    object: Any = Field(description="ChirpStack's own decoding, where it was used", examples=[None])
    codec: str | None = Field(description="what read the payload", examples=["bosch_tps110"])
    decode_error: str | None = Field(description="why it could not be read; null when it could", examples=[None])
    battery_volts: float | None = Field(examples=[3.6])
    battery_percent: float | None = Field(examples=[None])
    temperature_celsius: float | None = Field(examples=[21.0])
    attributes: dict[str, Any] = Field(
        description="everything else that the payload says", examples=[{"firmware": "0.29.2"}]
    )
    receptions: list[Reception] = Field(description="every gateway that heard it")


class ReadingPage(BaseModel):
    """Some of the readings, the newest place first."""

    items: list[Reading]
    next_cursor: NextCursor


class Battery(BaseModel):
    """The battery as last heard, and the straight line through a month of readings."""

    percent: float | None = Field(examples=[62.0])
    volts: float | None = Field(examples=[None])
    external_power: bool | None = Field(examples=[False])
    unit: Literal["percent", "volts"] | None = Field(description="of `per_day`; null: too few readings for a trend")
    per_day: float | None = Field(description="how it changes per day, in `unit`", examples=[-0.21])
    days_left: float | None = Field(description="days until it is empty; null: it does not fall", examples=[295.0])
    measured_at: datetime | None = Field(description="when the trend was computed, about once an hour")


class Radio(BaseModel):
    """How the device was heard in one stretch of time; of each frame the best gateway counts."""

    frames_heard: int = Field(examples=[96])
    frames_missed: int = Field(description="gaps in its own count", examples=[2])
    decode_errors: int = Field(description="frames whose payload could not be read", examples=[0])
    rssi_median: float | None = Field(description="dBm", examples=[-101.0])
    snr_median: float | None = Field(description="dB", examples=[6.2])


class DeviceHealth(BaseModel):
    """How a device fares."""

    dev_eui: str = Field(examples=["70b3d57ed0061a2b"])
    space_id: UUID | None = Field(description="the space whose sensor it is")
    profile_name: str = Field(description="its device profile in ChirpStack", examples=["Bosch TPS110"])
    last_seen_at: datetime | None
    interval_seconds: int | None = Field(description="how often it reports", examples=[86400])
    silent: bool = Field(description="whether it has missed its reports")
    flapping: bool = Field(description="whether it changes its mind suspiciously often")
    battery: Battery
    last_24_hours: Radio
    last_7_days: Radio
    decoder_errors: int = Field(description="payloads that could not be read, ever", examples=[0])
    network_errors: int = Field(description="problems that the network server reported, ever", examples=[1])
    last_error: str | None = Field(examples=["UPLINK_F_CNT_RETRANSMISSION: frame-counter did not increment"])
    alerts: list[Alert] = Field(description="those that are not over, the newest first")
