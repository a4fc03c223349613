"""Port Meridian, a fictional city: its car parks, their bays with positions, and a sensor of some family in each.

If wanted, each bay has a display too, which is what `chirpstack` plays; the demo city has.

In: a number of bays and a seed. Out: `City`, always the same for the same arguments. Nothing moves here; see `traffic`.
"""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

from parking_contracts.device_commands import BindApplication
from parking_contracts.space import SpaceKind
from parking_contracts.space_commands import CreateSite, CreateSpace
from parking_simulator.chirpstack.displays import FAMILIES
from parking_simulator.fleet import Fleet
from parking_simulator.fleet_plan import application_id, deal, deal_names, dev_eui, identity, make_device, parse_mix
from parking_simulator.occurrences import Device
from parking_simulator.sensors import DEFAULT_MIX, SensorModel

NAME: Final = "Port Meridian"
TIME_ZONE: Final = "Europe/Amsterdam"
CENTRE: Final = (53.5600, 4.9700)  # in the North Sea, so that it is mistaken for no real city
BAYS_PER_ROW: Final = 20
BAYS_PER_ZONE: Final = 60
ROW_DEGREES: Final = 0.00016
BAY_DEGREES: Final = 0.00004
DISPLAY_MIX: Final = {"busylight": 0.7, "heltec": 0.15, "rgb": 0.15}
DEMO_RUN, DEMO_BAYS, DEMO_SEED = "city", 240, 1

Rhythm = Literal["street", "station", "harbour"]


class CarPark(msgspec.Struct, frozen=True):
    """A site: its share of the city's bays, its corner (degrees from the centre), its floors, and its day's rhythm."""

    name: str
    share: float
    corner: tuple[float, float]
    floors: int
    rhythm: Rhythm


CAR_PARKS: Final = (
    CarPark("Old Town", 0.45, (0.0, 0.0), 1, "street"),
    CarPark("Central Station", 0.30, (0.006, 0.009), 3, "station"),
    CarPark("Harbour", 0.25, (-0.008, -0.006), 1, "harbour"),
)
KINDS: Final[tuple[SpaceKind, ...]] = ("standard", "accessible", "ev", "loading", "permit")
KIND_WEIGHTS: Final = (82, 5, 6, 4, 3)


class CityDisplay(msgspec.Struct, frozen=True):
    """The display over a bay, in reach of the same gateways as the bay's sensor."""

    dev_eui: str
    name: str
    family: str
    gateways: tuple[str, ...]

    @property
    def profile_name(self) -> str:
        """Its device profile."""
        return FAMILIES[self.family].profile_name


class CityBay(msgspec.Struct, frozen=True):
    """A bay: what the platform is told of it, its device, its sensor's family and the rhythm of its car park."""

    space: CreateSpace
    device: Device
    model: SensorModel
    rhythm: Rhythm
    display: CityDisplay | None = None


class City(msgspec.Struct, frozen=True):
    """The whole city: what the platform has to know, and who will speak."""

    fleet: Fleet
    bays: list[CityBay]


def demo_city(*, source: str) -> City:
    """The city of `parkstream up --demo`: always this one, so that the ChirpStack double knows it as well."""
    return build_city(DEMO_RUN, DEMO_BAYS, parse_mix(DEFAULT_MIX), source=source, seed=DEMO_SEED, displays=DISPLAY_MIX)


def build_city(
    run: str,
    bays: int,
    mix: dict[str, float],
    *,
    source: str,
    seed: int,
    displays: dict[str, float] | None = None,
) -> City:
    """A city of `bays` bays whose ids follow from `run`; the mix gives the shares of the sensor families.

    With `displays`, shares of display families that add up to 1, every bay has one.
    """
    dice = random.Random(f"city/{seed}")  # noqa: S311  a simulation, not a secret
    models = iter(deal(mix, bays, seed))
    built: list[CityBay] = []
    for car_park, count in _bays_per_car_park(bays):
        built += [_bay(run, car_park, index, next(models), dice) for index in range(count)]
    if displays is not None:
        built = [
            _with_display(run, bay, family) for bay, family in zip(built, deal_names(displays, bays, seed), strict=True)
        ]
    sites = [_site(run, car_park) for car_park, count in _bays_per_car_park(bays) if count]
    binding = BindApplication(source=source, application_id=application_id(run))
    return City(Fleet(sites=sites, binding=binding, spaces=[bay.space for bay in built]), built)


def _bays_per_car_park(bays: int) -> list[tuple[CarPark, int]]:
    counts = [int(car_park.share * bays) for car_park in CAR_PARKS]
    counts[0] += bays - sum(counts)
    return list(zip(CAR_PARKS, counts, strict=True))


def _site(run: str, car_park: CarPark) -> CreateSite:
    return CreateSite(
        id=identity(run, f"site/{car_park.name}"),
        name=f"{NAME}, {car_park.name}",
        time_zone=TIME_ZONE,
        latitude=CENTRE[0] + car_park.corner[0],
        longitude=CENTRE[1] + car_park.corner[1],
    )


def _bay(run: str, car_park: CarPark, index: int, model: SensorModel, dice: random.Random) -> CityBay:
    zone = _zone_name(index // BAYS_PER_ZONE)
    code = f"{zone}-{index % BAYS_PER_ZONE + 1:02d}"
    row, place = divmod(index, BAYS_PER_ROW)
    position = (
        round(CENTRE[0] + car_park.corner[0] + row * ROW_DEGREES, 6),
        round(CENTRE[1] + car_park.corner[1] + place * BAY_DEGREES, 6),
    )
    floor = str(index // BAYS_PER_ZONE % car_park.floors) if car_park.floors > 1 else None
    space = CreateSpace(
        id=identity(run, f"space/{car_park.name}/{code}"),
        site_id=identity(run, f"site/{car_park.name}"),
        name=f"{car_park.name} {code}",
        code=code,
        kind=dice.choices(KINDS, KIND_WEIGHTS)[0],
        building=car_park.name if floor is not None else None,
        floor=floor,
        zone=zone,
        latitude=position[0],
        longitude=position[1],
    )
    device = make_device(run, f"{car_park.name}/{code}", model, position=position, zone=zone)
    return CityBay(msgspec.structs.replace(space, sensor_eui=device.dev_eui), device, model, car_park.rhythm)


def _with_display(run: str, bay: CityBay, family: str) -> CityBay:
    place = bay.device.tags["bay"]
    display = CityDisplay(dev_eui(run, f"display/{place}"), f"display-{place}", family, bay.device.gateways)
    space = msgspec.structs.replace(bay.space, display_eui=display.dev_eui)
    return msgspec.structs.replace(bay, space=space, display=display)


def _zone_name(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
