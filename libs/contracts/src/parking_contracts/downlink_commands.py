"""Commands on displays and downlinks, answered by downlink_dispatcher."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from parking_contracts import subjects
from parking_contracts.command import CommandBody
from parking_contracts.downlink import DEFAULT_OFF_CENTISECONDS, DEFAULT_ON_CENTISECONDS
from parking_contracts.lorawan import ApplicationPort
from parking_contracts.space import SpaceState
from parking_contracts.space_commands import Zone

OWNER = "downlink"

COLOUR_PATTERN = r"^[0-9A-Fa-f]{6}$"
LONGEST_TTL_SECONDS = 7 * 86_400
Colour = Annotated[str, Meta(pattern=COLOUR_PATTERN)]
Centiseconds = Annotated[int, Meta(ge=0, le=255)]


class SendDownlink(CommandBody, frozen=True, kw_only=True):
    """Send a display something of one's own, behind what waits for it already. Answers a DownlinkView.

    Either `payload`, raw bytes as `encoding` says, for `f_port` (None: the display's usual one); or `command`, such as
    `{"command": "colour", "red": 255, "green": 0, "blue": 0}`, which the display's codec encodes.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "downlink.send")
    dev_eui: str
    payload: Annotated[str, Meta(max_length=1000)] | None = None
    encoding: Literal["hex", "base64"] = "hex"
    f_port: ApplicationPort | None = None
    command: dict[str, Any] | None = None
    confirmed: bool = False
    ttl_seconds: Annotated[int, Meta(ge=1, le=LONGEST_TTL_SECONDS)] | None = None


class CancelDownlink(CommandBody, frozen=True, kw_only=True):
    """Take back a command that waits; refused as DOWNLINK_NOT_QUEUED once it was sent. Answers a DownlinkView."""

    subject: ClassVar[str] = subjects.command(OWNER, "downlink.cancel")
    id: UUID


class RetryDownlink(CommandBody, frozen=True, kw_only=True):
    """Queue a free-form command that failed, expired or was cancelled once more; answers the new DownlinkView.

    Refused as DOWNLINK_NOT_ENDED while it may still arrive.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "downlink.retry")
    id: UUID


class ResyncDisplay(CommandBody, frozen=True, kw_only=True):
    """Send a display once more what it should show. Answers a DisplayView."""

    subject: ClassVar[str] = subjects.command(OWNER, "display.resync")
    dev_eui: str


class SetZoneCounter(CommandBody, frozen=True, kw_only=True):
    """Let a sign show how many spaces of a zone (None: of the site) are free. Answers a DisplayView."""

    subject: ClassVar[str] = subjects.command(OWNER, "display.count")
    dev_eui: str
    site_id: UUID
    zone: Zone | None = None


class RemoveZoneCounter(CommandBody, frozen=True, kw_only=True):
    """The sign shows what it shows, and hears of no further count. Answers a DisplayView."""

    subject: ClassVar[str] = subjects.command(OWNER, "display.stop_counting")
    dev_eui: str


class SetDisplayPolicy(CommandBody, frozen=True, kw_only=True):
    """How the tenant's displays show a state; they change at once. Answers a PolicyEntry."""

    subject: ClassVar[str] = subjects.command(OWNER, "policy.set")
    state: SpaceState
    colour: Colour
    on_centiseconds: Centiseconds = DEFAULT_ON_CENTISECONDS
    off_centiseconds: Centiseconds = DEFAULT_OFF_CENTISECONDS


class ResetDisplayPolicy(CommandBody, frozen=True, kw_only=True):
    """Back to the default. Answers a PolicyEntry."""

    subject: ClassVar[str] = subjects.command(OWNER, "policy.reset")
    state: SpaceState


class Shade(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to show a state."""

    state: SpaceState
    colour: Colour
    on_centiseconds: Centiseconds = DEFAULT_ON_CENTISECONDS
    off_centiseconds: Centiseconds = DEFAULT_OFF_CENTISECONDS


class PreviewPolicy(CommandBody, frozen=True, kw_only=True):
    """The bytes of each family of displays for these shades over the tenant's policy. Answers a list of PolicyPreview.

    Changes nothing.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "policy.preview")
    shades: Annotated[tuple[Shade, ...], Meta(max_length=len(SpaceState))] = ()


class SyncNetwork(CommandBody, frozen=True, kw_only=True):
    """Ask the network server now, at most every few seconds however often this is asked. Answers a SyncView."""

    subject: ClassVar[str] = subjects.command(OWNER, "network.sync")
