"""What devices say of themselves beside their uplinks, summed up: of each value the last one counts, errors add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from parking_contracts.device import DeviceLocated, DeviceLogged, DeviceStatus

Said = DeviceStatus | DeviceLogged | DeviceLocated
LONGEST_ERROR = 500


class Summary(msgspec.Struct):
    """What a batch says of one device; None where it says nothing. Per cent, dB, WGS 84 degrees."""

    battery_percent: float | None = None
    margin_db: int | None = None
    external_power: bool | None = None
    network_errors: int = 0
    last_error: str | None = None
    latitude: float | None = None
    longitude: float | None = None


def sum_up(facts: Iterable[Said], tenants: Mapping[tuple[str, str], UUID]) -> dict[tuple[UUID, str], Summary]:
    """The facts of devices in bound applications, in the order told. `tenants`: whose each (source, application) is."""
    summaries: dict[tuple[UUID, str], Summary] = {}
    for fact in facts:
        tenant_id = tenants.get((fact.source, fact.application_id))
        if tenant_id is None:
            continue
        summary = summaries.setdefault((tenant_id, fact.dev_eui), Summary())
        match fact:
            case DeviceStatus():
                # A device that does not know its battery does not take back what it said before.
                if fact.battery_percent is not None:
                    summary.battery_percent = fact.battery_percent
                summary.margin_db, summary.external_power = fact.margin, fact.external_power
            case DeviceLogged() if fact.level != "INFO":
                summary.network_errors += 1
                summary.last_error = f"{fact.code}: {fact.description}"[:LONGEST_ERROR]
            case DeviceLocated():
                summary.latitude, summary.longitude = fact.latitude, fact.longitude
    return summaries
