"""Who stands where: two tenants with a small city each, whose bays all have a sensor and a display.

In: a number of bays and a seed. Out: `Town`s, always the same ones, so that the double's process makes the same.
"""

from __future__ import annotations

import hashlib
import uuid
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.client import Client

from parking_simulator.chirpstack.city_network import network_of_city
from parking_simulator.chirpstack.network import Network
from parking_simulator.city import DISPLAY_MIX, City, build_city
from parking_simulator.commands import CommandClient
from parking_simulator.fleet import provision
from parking_simulator.fleet_plan import application_id, parse_mix
from parking_simulator.rendering import NAMESPACE, Application

TOWNS = 2
SOURCE = "chirpstack"
# Families that say whether they are occupied in every frame, so that each is a statement to be checked.
SENSOR_MIX = "bosch=0.3,nwave=0.2,nps310=0.1,placepod=0.1,libelium=0.1,tekzitel=0.1,moko=0.1"
SECRET = "c" * 43
COMMAND_SECONDS = 20.0


class Town(msgspec.Struct, frozen=True):
    """One tenant: its id, how ChirpStack calls its application, its bays, and its API key."""

    number: int
    tenant_id: UUID
    application: Application
    city: City

    @property
    def key(self) -> str:
        """Every right in the tenant."""
        return f"pk_{self._key_id}_{SECRET}"

    @property
    def _key_id(self) -> str:
        return f"chaoskey{self.number:04d}"

    async def settle_in(self, sql: asyncpg.Connection, bus: Client) -> None:
        """Make the tenant, its key, its site, its application and its spaces; an engine must be there."""
        await sql.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, $2)", self.tenant_id, self._key_id)
        await sql.execute(
            "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin) "
            "VALUES ($1, $2, 'chaos', $3, '{*}', false)",
            *(self.tenant_id, self._key_id, hashlib.sha256(SECRET.encode()).digest()),
        )
        client = CommandClient(bus, self.tenant_id, caller="cli:chaos", timeout_seconds=COMMAND_SECONDS)
        await provision(client, self.city.fleet)


def build_towns(spaces: int, seed: int) -> list[Town]:
    """The tenants, with `spaces` bays each."""
    towns = []
    for number in range(TOWNS):
        run = f"chaos-{number}"
        city = build_city(run, spaces, parse_mix(SENSOR_MIX), source=SOURCE, seed=seed, displays=DISPLAY_MIX)
        network_tenant = str(uuid.uuid5(NAMESPACE, run))
        application = Application(id=application_id(run), name=run, tenant_id=network_tenant, tenant_name=run)
        towns.append(Town(number, uuid.uuid5(NAMESPACE, f"{run}/tenant"), application, city))
    return towns


def network_of_towns(towns: list[Town]) -> Network:
    """All of them as one ChirpStack knows them."""
    networks = [network_of_city(town.city, town.application) for town in towns]
    return Network(
        tenants=[one for network in networks for one in network.tenants.values()],
        applications=[one for network in networks for one in network.applications.values()],
        profiles=[one for network in networks for one in network.profiles.values()],
        devices=[one for network in networks for one in network.devices.values()],
        gateways=[one for network in networks for one in network.gateways.values()],
    )
