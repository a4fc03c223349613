"""Routes for display policies: in which colour a state is shown; changed by commands to their owner."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path

from api_gateway.displays.policies import queries
from api_gateway.displays.policies.models import (
    DisplayPolicy,
    DisplayPolicyList,
    DisplayPolicySettings,
    DisplayPreview,
    PreviewRequest,
)
from api_gateway.http.commands import Commands
from api_gateway.http.openapi import READ, WRITE
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import DisplaysReader, DisplaysWriter
from api_gateway.identity.database import Database
from parking_contracts.downlink import DEFAULT_COLOURS, DEFAULT_OFF_CENTISECONDS, DEFAULT_ON_CENTISECONDS
from parking_contracts.downlink_commands import PreviewPolicy, ResetDisplayPolicy, SetDisplayPolicy, Shade
from parking_contracts.space import SpaceState

router = NounRouter(prefix="/api/v6/display-policies", tags=["displays"])
State = Annotated[SpaceState, Path(description="the state that is shown so")]


@router.get("", responses=READ)
async def list_display_policies(caller: DisplaysReader, database: Database) -> DisplayPolicyList:
    """How the tenant's displays show each of the five states: as the tenant has set it, or by default."""
    entries = {state: _default(state) for state in SpaceState}
    for row in await queries.list_policies(database, caller.tenant_id):
        entries[SpaceState(row["state"])] = DisplayPolicy(**row)
    return DisplayPolicyList(items=list(entries.values()))


@router.put("/{state}", responses=WRITE)
async def set_display_policy(
    caller: DisplaysWriter, commands: Commands, state: State, body: DisplayPolicySettings
) -> DisplayPolicy:
    """Show a state so from now on; the displays that show it now follow at once, as fast as downlinks may be sent."""
    command = SetDisplayPolicy(state=state, **body.model_dump(exclude={"request_id"}))
    result = await commands.send(caller, command, body_request_id=body.request_id)
    return DisplayPolicy.model_validate_json(result)


@router.delete("/{state}", status_code=204, responses=WRITE)
async def reset_display_policy(caller: DisplaysWriter, commands: Commands, state: State) -> None:
    """Show a state by default again; the displays that show it now follow at once."""
    await commands.send(caller, ResetDisplayPolicy(state=state))


@router.post("/preview", responses=WRITE)
async def preview_display_policy(caller: DisplaysReader, commands: Commands, body: PreviewRequest) -> DisplayPreview:
    """The bytes that each family of displays would get for each state. Nothing is changed, and nothing is sent.

    A family that cannot show states has `error` instead.
    """
    shades = tuple(Shade(**one.model_dump()) for one in body.shades)
    result = await commands.send(caller, PreviewPolicy(shades=shades))
    return DisplayPreview(items=msgspec.json.decode(result))


def _default(state: SpaceState) -> DisplayPolicy:
    return DisplayPolicy(
        state=state,
        colour=DEFAULT_COLOURS[state],
        on_centiseconds=DEFAULT_ON_CENTISECONDS,
        off_centiseconds=DEFAULT_OFF_CENTISECONDS,
        is_default=True,
    )
