"""alert.acknowledge."""

from __future__ import annotations

from occupancy_engine.store import alerts
from parking_chassis.postgres import Connection
from parking_chassis.refusals import not_found
from parking_contracts.alert import AlertView
from parking_contracts.alert_commands import AcknowledgeAlert
from parking_contracts.command import Command
from parking_contracts.errors import Refusal


async def acknowledge(connection: Connection, command: Command[AcknowledgeAlert]) -> AlertView | Refusal:
    """Note who has seen an alert, open or closed; the first one counts."""
    body = command.body
    alert = await alerts.acknowledge(connection, command.tenant_id, body.id, command.caller, body.note)
    return alert or not_found("alert", body.id)
