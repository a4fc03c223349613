"""The pool of devices as HTTP shows it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api_gateway.http.fields import Body, RequestId


class PoolCounts(BaseModel):
    """Devices, counted. One may be silent and flapping at once."""

    total: int = Field(examples=[1851])
    assigned: int = Field(description="those that are a space's sensor", examples=[1840])
    unassigned: int = Field(description="those that are free to be put on a space", examples=[11])
    silent: int = Field(description="those on a space that have missed their reports", examples=[3])
    never_heard: int = Field(description="those registered or assigned, and not heard yet", examples=[2])
    flapping: int = Field(description="those that change their mind suspiciously often", examples=[1])


class ProfileCounts(PoolCounts):
    """The devices of one device profile."""

    profile_name: str = Field(description="in ChirpStack; empty while it is not known", examples=["Bosch TPS110"])


class BatteryPercents(BaseModel):
    """The batteries that are told in per cent."""

    devices: int = Field(examples=[1200])
    below_20: int = Field(examples=[14])
    from_20_to_50: int = Field(examples=[120])
    above_50: int = Field(examples=[1066])
    median: float | None = Field(examples=[82.0])
    lowest: float | None = Field(examples=[7.5])


class BatteryVolts(BaseModel):
    """The batteries that are told in volts, and not in per cent."""

    devices: int = Field(examples=[640])
    median: float | None = Field(examples=[3.58])
    lowest: float | None = Field(examples=[2.91])


class Batteries(BaseModel):
    """The batteries of the pool, as last heard."""

    percent: BatteryPercents
    volts: BatteryVolts
    external_power: int = Field(description="devices that need no battery", examples=[8])
    unknown: int = Field(description="devices that say nothing about it", examples=[3])


class PoolStats(BaseModel):
    """The tenant's devices at a glance."""

    all: PoolCounts
    by_profile: list[ProfileCounts] = Field(description="the largest first")
    batteries: Batteries


class Unassignment(Body):
    """Nothing needs to be said."""

    request_id: RequestId = None
