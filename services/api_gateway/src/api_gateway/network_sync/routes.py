"""Routes for asking the network server, ChirpStack: how it went, and now. For the platform's admin."""

from __future__ import annotations

from api_gateway.http.commands import Commands
from api_gateway.http.openapi import READ, WRITE
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import SyncReader, SyncWriter
from api_gateway.identity.database import Database
from api_gateway.network_sync import queries
from api_gateway.network_sync.models import NetworkSync
from parking_contracts.downlink_commands import SyncNetwork

router = NounRouter(prefix="/api/v6/chirpstack", tags=["gateways"])


@router.get("/sync", responses=READ)
async def show_sync(_caller: SyncReader, database: Database) -> NetworkSync:
    """How the latest round of asking ChirpStack for its devices and gateways went."""
    row = await queries.get_sync(database)
    if row is None:
        raise not_found("round", "yet")
    return NetworkSync(**row)


@router.post("/sync", status_code=202, responses=WRITE)
async def sync_now(caller: SyncWriter, commands: Commands) -> NetworkSync:
    """Ask ChirpStack now instead of within 5 minutes. The answer does not wait for the round: `ended_at` tells.

    However often this is asked, there is a round every few seconds at most.
    """
    return NetworkSync.model_validate_json(await commands.send(caller, SyncNetwork()))
