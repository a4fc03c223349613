"""Routes for one device's downlinks: send something of one's own, and what was sent."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Request, Response

from api_gateway.devices.readings.queries import is_known
from api_gateway.downlinks import queries
from api_gateway.downlinks.models import Downlink, DownlinkPage
from api_gateway.downlinks.requests import EXAMPLES, NewDownlink
from api_gateway.downlinks.routes import Narrowed, as_made, page_of
from api_gateway.http.commands import Commands
from api_gateway.http.cursors import Cursor, read_cursor
from api_gateway.http.fields import EuiPath, Limit
from api_gateway.http.openapi import READ_ONE, WRITE
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import DownlinksReader, DownlinksWriter
from api_gateway.identity.database import Database
from parking_contracts.downlink_commands import SendDownlink
from parking_contracts.moment import Moment

router = NounRouter(prefix="/api/v6/devices", tags=["downlinks"])


@router.post("/{dev_eui}/downlinks", status_code=201, responses=WRITE)
async def send_downlink(
    caller: DownlinksWriter,
    commands: Commands,
    request: Request,
    response: Response,
    dev_eui: EuiPath,
    body: Annotated[NewDownlink, Body(openapi_examples=EXAMPLES)],
) -> Downlink:
    """Send a display bytes or a command of one's own, behind what waits for it already; `Location` names the downlink.

    What it shows is sent again afterwards, where that may have been overwritten. Refused, with nothing queued: a device
    that is no display or in no application of the tenant, a command that this family of displays has no bytes for
    (`details.field` says which field), and NO_GATEWAY_ONLINE while no LoRaWAN gateway could send it.
    """
    command = SendDownlink(dev_eui=dev_eui, **body.model_dump(mode="json", exclude={"request_id"}, exclude_unset=True))
    result = await commands.send(caller, command, body_request_id=body.request_id)
    return await as_made(request, response, caller, result)


@router.get("/{dev_eui}/downlinks", responses=READ_ONE)
async def list_downlinks_of_device(
    caller: DownlinksReader,
    database: Database,
    request: Request,
    response: Response,
    dev_eui: EuiPath,
    narrowed: Narrowed,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> DownlinkPage:
    """What was sent to one device, or waits to be, the newest first."""
    bound_to = ("downlinks", caller.tenant_id, dev_eui)
    before = read_cursor(cursor, tuple[Moment, UUID], *bound_to)
    rows = await queries.list_downlinks(database, caller.tenant_id, (dev_eui, None, *narrowed), before, limit + 1)
    if not rows and not await is_known(database, caller.tenant_id, dev_eui):
        raise not_found("device", dev_eui)
    return page_of(request, response, rows, limit, bound_to)
