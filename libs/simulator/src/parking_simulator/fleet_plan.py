"""Which sensor stands where: a mix of families dealt to bays, and the identities of devices and spaces.

In: a mix such as `bosch=0.5,nwave=0.5`, a seed, and a run's name. Out: models and devices. Everything follows from
name and seed, so that a second run finds what the first one made.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from typing import Final

from parking_simulator.occurrences import Device
from parking_simulator.rendering import NAMESPACE, Application
from parking_simulator.sensors import SENSORS, SensorModel

EUI_PREFIX: Final = "5a"  # locally administered: belongs to no maker


def parse_mix(text: str) -> dict[str, float]:
    """Shares by family name, adding up to 1. Raises ValueError with the families that there are."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in SENSORS:
            raise ValueError(f"{name!r} is no sensor family; there are {', '.join(SENSORS)}")
        try:
            share = float(number or "nan")
        except ValueError:
            share = float("nan")
        if not 0 <= share < float("inf"):
            raise ValueError(f"{part.strip()!r} needs a share such as {name}=0.5")
        shares[name] = shares.get(name, 0.0) + share
    total = sum(shares.values())
    if total <= 0:
        raise ValueError("the shares of the mix add up to 0")
    return {name: share / total for name, share in shares.items()}


def deal(mix: dict[str, float], count: int, seed: int) -> list[SensorModel]:
    """`count` sensors in these shares (the largest remainders round up), shuffled by the seed."""
    return [SENSORS[name] for name in deal_names(mix, count, seed)]


def deal_names(mix: dict[str, float], count: int, seed: int) -> list[str]:
    """`count` names in these shares (the largest remainders round up), shuffled by the seed."""
    exact = {name: share * count for name, share in mix.items()}
    counts = {name: int(number) for name, number in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    names = [name for name, number in counts.items() for _ in range(number)]
    random.Random(seed).shuffle(names)  # noqa: S311  a simulation, not a secret
    return names


def application_id(run: str) -> str:
    """The ChirpStack application of a run."""
    return str(identity(run, "application"))


def speaker_of(run: str) -> Application:
    """The same with its name and its tenant, as events tell it."""
    return Application(id=application_id(run), name=f"parkstream-{run}")


def identity(run: str, what: str) -> uuid.UUID:
    """A stable id for a thing of a run: `site`, `space/<code>`, ..."""
    return uuid.uuid5(NAMESPACE, f"{run}/{what}")


def dev_eui(run: str, code: str) -> str:
    """The DevEUI of the sensor on the bay `code`; the run takes 16 bits of it, the bay 40."""
    return EUI_PREFIX + _digest(run)[:4] + _digest(f"{run}/{code}")[:10]


def dev_addr(eui: str, session: int) -> str:
    """The devAddr of a device's n-th session; below 04000000 is for private networks."""
    return f"{int(_digest(f'{eui}/{session}')[:8], 16) & 0x03FFFFFF:08x}"


def make_device(
    run: str, code: str, model: SensorModel, *, position: tuple[float, float] | None = None, zone: str = ""
) -> Device:
    """The sensor of one bay, in reach of one to three of its neighbourhood's gateways."""
    eui = dev_eui(run, code)
    place = f"{position[0]:.2f}/{position[1]:.2f}" if position else zone
    reach = 1 + int(eui[-1], 16) % 3
    return Device(
        dev_eui=eui,
        name=f"sensor-{code}",
        profile_name=model.profile_name,
        gateways=tuple("0016c001" + _digest(f"gateway/{place}/{number}")[:8] for number in range(reach)),
        tags={"bay": code, "zone": zone} if zone else {"bay": code},
        latitude=position[0] if position else None,
        longitude=position[1] if position else None,
    )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
