"""space.create, space.update, space.delete, space.set_state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from occupancy_engine.commands.refusals import lopsided, moved_on, overtaken, read_eui, taken
from occupancy_engine.domain.layers import Layers, Override, may_request, resolve
from occupancy_engine.domain.showing import Cause, Space, show
from occupancy_engine.sensing import sensor_layer
from occupancy_engine.store import sensors, sites, space_nouns
from occupancy_engine.store import spaces as space_rows
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_contracts.command import Command
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space import SpaceState, SpaceView
from parking_contracts.space_commands import CreateSpace, DeleteSpace, SetSpaceState, UpdateSpace

DESCRIPTION = ("name", "code", "kind", "building", "floor", "zone", "latitude", "longitude", "metadata", "site_id")


async def create(connection: Connection, command: Command[CreateSpace]) -> SpaceView | Refusal:
    """A new space, with its sensor taken over at once."""
    body = command.body
    euis = _read_euis(body)
    if isinstance(euis, Refusal):
        return euis
    if refusal := lopsided(body.latitude, body.longitude):
        return refusal
    if not await sites.share(connection, command.tenant_id, body.site_id):
        return not_found("site", body.site_id)
    try:
        async with connection.transaction():
            device = await sensors.take(connection, command.tenant_id, euis["sensor_eui"])
            layers = Layers(datetime.now(UTC), sensor=sensor_layer(device) if device else None)
            description = {name: getattr(body, name) for name in DESCRIPTION} | euis
            return await space_nouns.insert(
                connection, command.tenant_id, body.id, description, layers, resolve(layers)
            )
    except asyncpg.UniqueViolationError as error:
        return taken(error)


async def update(connection: Connection, command: Command[UpdateSpace]) -> SpaceView | Refusal:
    """Change what is named; a change of sensor ends the running stay and keeps the history."""
    body = command.body
    euis = _read_euis(body)
    if isinstance(euis, Refusal):
        return euis
    try:
        async with connection.transaction():
            return await _update(connection, command, euis)
    except asyncpg.UniqueViolationError as error:
        return taken(error)


async def _update(connection: Connection, command: Command[UpdateSpace], euis: dict[str, Any]) -> SpaceView | Refusal:
    body, tenant_id = command.body, command.tenant_id
    held = await sensors.hold(connection, tenant_id, body.id, euis.get("sensor_eui"))
    space = await space_rows.lock_space(connection, tenant_id, body.id)
    if space is None:
        return not_found("space", body.id)
    if not sensors.holds_sensor_of(held, space):
        return overtaken("space", body.id)
    if body.site_id is not msgspec.UNSET and not await sites.share(connection, tenant_id, body.site_id):
        return not_found("site", body.site_id)
    changes = {name: value for name in DESCRIPTION if (value := getattr(body, name)) is not msgspec.UNSET} | euis
    view = await space_nouns.view(connection, tenant_id, body.id)
    if refusal := moved_on("space", body.revision, view.updated_at):
        return refusal
    if refusal := lopsided(changes.get("latitude", view.latitude), changes.get("longitude", view.longitude)):
        return refusal
    layers = space.layers
    if "sensor_eui" in changes and changes["sensor_eui"] != space.sensor_eui:
        device = await sensors.swap(connection, held, space, changes["sensor_eui"])
        layers = msgspec.structs.replace(layers, sensor=sensor_layer(device) if device else None)
    await space_nouns.write_description(connection, space, changes)
    await _show(connection, space, layers, command)
    return await space_nouns.view(connection, tenant_id, body.id)


async def delete(connection: Connection, command: Command[DeleteSpace]) -> SpaceView | Refusal:
    """Take a space away: its code, sensor and display are free again, its running stay ends."""
    tenant_id, space_id = command.tenant_id, command.body.id
    held = await sensors.hold(connection, tenant_id, space_id, None)
    space = await space_rows.lock_space(connection, tenant_id, space_id)
    if space is None:
        return not_found("space", space_id)
    if not sensors.holds_sensor_of(held, space):
        return overtaken("space", space_id)
    view = await space_nouns.view(connection, tenant_id, space_id)
    if refusal := moved_on("space", command.body.revision, view.updated_at):
        return refusal
    if space.sensor_eui is not None:
        await sensors.swap(connection, held, space, None)
    return await space_nouns.delete(connection, space)


async def set_state(connection: Connection, command: Command[SetSpaceState]) -> SpaceView | Refusal:
    """Set the override, or clear it with `free`, which never hides a lower layer."""
    body, now = command.body, datetime.now(UTC)
    space = await space_rows.lock_space(connection, command.tenant_id, body.id)
    if space is None:
        return not_found("space", body.id)
    if body.until is not None and body.until <= now:
        return invalid("until", "lies in the past; give a moment to come, or none")
    current = space.shown.state
    if not body.force and not may_request(current, body.state):
        return Refusal(
            code=ErrorCode.INVALID_STATE_TRANSITION,
            message=f"a space that is {current} cannot be set {body.state}",
            details={"current": current, "requested": body.state},
        )
    override = None if body.state is SpaceState.FREE else Override(body.state, now, body.reason, body.until)
    await _show(connection, space, msgspec.structs.replace(space.layers, override=override), command)
    return await space_nouns.view(connection, command.tenant_id, body.id)


async def _show(connection: Connection, space: Space, layers: Layers, command: Command[Any]) -> None:
    now = datetime.now(UTC)
    cause = Cause(
        source="command",
        cause=f"command:{command.caller}",
        occurred_at=now,
        changed_at=now,
        request_id=command.request_id,
    )
    change = show(space, layers, cause)
    await space_rows.write_shown(connection, [space], [change] if change else [])


def _read_euis(body: CreateSpace | UpdateSpace) -> dict[str, str | None] | Refusal:
    """The EUIs named in a body, as stored."""
    euis: dict[str, str | None] = {}
    for field in ("sensor_eui", "display_eui"):
        text = getattr(body, field)
        if text is msgspec.UNSET:
            continue
        eui = read_eui(field, text)
        if isinstance(eui, Refusal):
            return eui
        euis[field] = eui
    return euis
