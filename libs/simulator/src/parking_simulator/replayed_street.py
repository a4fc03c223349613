"""Recorded bays as a fleet: what the platform has to know of them, and what their sensors have to tell.

In: bays, stays, a mix of sensor families, the run's name. Out: `Street`. Everything follows from run and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from parking_contracts.device_commands import BindApplication
from parking_contracts.space_commands import CreateSite, CreateSpace
from parking_simulator.fleet import Fleet
from parking_simulator.fleet_plan import application_id, deal, identity, make_device
from parking_simulator.occurrences import Device
from parking_simulator.recording import RecordedBay
from parking_simulator.stays import Bay, Interval, Stay, unions_by_bay


class Street(msgspec.Struct, frozen=True, kw_only=True):
    """A site with recorded bays. `stays` are the unions by bay, what the platform must come to; `span` covers them."""

    run: str
    site: CreateSite
    site_id: UUID
    fleet: Fleet
    bays: list[RecordedBay]
    stays: dict[str, list[Interval]]
    span: Interval


def build_street(
    run: str,
    bays: Sequence[Bay],
    stays: Sequence[Stay],
    *,
    mix: dict[str, float],
    name: str,
    time_zone: str,
    source: str,
    seed: int,
) -> Street:
    """The street of a run, one sensor per bay; `stays` must not be empty, and every stay's bay must be given."""
    unions = unions_by_bay(stays)
    site_id = identity(run, "site")
    site = CreateSite(id=site_id, name=f"{name}, {run}"[:100], time_zone=time_zone)
    recorded: list[RecordedBay] = []
    spaces: list[CreateSpace] = []
    for bay, model in zip(bays, deal(mix, len(bays), seed), strict=True):
        device = make_device(run, bay.marker, model, position=bay.position, zone=bay.area)
        recorded.append(RecordedBay(device, model, unions.get(bay.marker, [])))
        spaces.append(_space(run, site_id, bay, device))
    binding = BindApplication(source=source, application_id=application_id(run), clock="recorded")
    return Street(
        run=run,
        site=site,
        site_id=site_id,
        fleet=Fleet(sites=[site], binding=binding, spaces=spaces),
        bays=recorded,
        stays=unions,
        span=Interval(min(stay.interval.start for stay in stays), max(stay.interval.end for stay in stays)),
    )


def _space(run: str, site_id: UUID, bay: Bay, device: Device) -> CreateSpace:
    latitude, longitude = bay.position or (None, None)
    return CreateSpace(
        id=identity(run, f"space/{bay.marker}"),
        site_id=site_id,
        name=f"Bay {bay.marker}",
        code=bay.marker,
        zone=bay.area or None,
        latitude=latitude,
        longitude=longitude,
        sensor_eui=device.dev_eui,
    )
