"""network.sync: ask the network server now. For the platform's admin: a round is for all tenants."""

from __future__ import annotations

from datetime import timedelta

from downlink_dispatcher.store.sync_requests import ask_for_sync
from parking_chassis.postgres import Connection
from parking_contracts.command import Command
from parking_contracts.downlink import SyncView
from parking_contracts.downlink_commands import SyncNetwork
from parking_contracts.errors import ErrorCode, Refusal

# However often it is asked for.
SHORTEST_PAUSE = timedelta(seconds=5)


async def sync(connection: Connection, _command: Command[SyncNetwork]) -> SyncView | Refusal:
    """Leave a request, which the next turn serves; the latest round so far."""
    view = await ask_for_sync(connection, SHORTEST_PAUSE)
    return view or Refusal(
        code=ErrorCode.AUTHORIZATION_ERROR, message="the network server is asked for the whole platform: by its admin"
    )
