"""One event of the bus as clients of the live stream get it.

In: a message of SPACES or RESERVATIONS (a CloudEvent in binary mode). Out: what filters ask about, and the frame's
body, encoded once for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

import msgspec

from api_gateway.live.position import SPACES
from parking_contracts import alert, reservation, space

TYPE_HEADER = "ce-type"
_TYPE = re.compile(r"parkstream\.([a-z_]+\.[a-z_]+)\.v\d+")
# What clients can ask for: `space.created` for `parkstream.space.created.v1`.
_EVERY_TYPE = space.EVENT_TYPES | alert.EVENT_TYPES | reservation.EVENT_TYPES
EVENT_NAMES = tuple(dict.fromkeys(_TYPE.sub(r"\1", name) for name in _EVERY_TYPE.values()))
# Events of a space that change nothing shown, so that they have no version.
_UNVERSIONED = frozenset(_TYPE.sub(r"\1", name) for name in alert.EVENT_TYPES.values())


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """`site_id` and `zone` of a reservation's event are those of its space; `body` lacks the id line alone."""

    stream: int
    sequence: int
    tenant_id: UUID
    space_id: UUID
    site_id: UUID | None
    zone: str | None
    version: int | None
    name: str
    body: bytes


class _Place(msgspec.Struct, frozen=True):
    tenant_id: UUID
    id: UUID
    site_id: UUID
    zone: str | None
    version: int


class _SpaceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of a space tells; created and updated carry the whole space instead."""

    tenant_id: UUID | None = None
    space_id: UUID | None = None
    site_id: UUID | None = None
    zone: str | None = None
    version: int | None = None
    space: _Place | None = None


_decode = msgspec.json.Decoder(_SpaceEvent).decode


class UnreadableEventError(Exception):
    """A message that is no event of ours."""


def read_announcement(stream: int, sequence: int, headers: Mapping[str, str] | None, data: bytes) -> Announcement:
    """The event in a message.

    Raises:
        UnreadableEventError: Its type or its payload is not one that we know.
    """
    match = _TYPE.fullmatch((headers or {}).get(TYPE_HEADER, ""))
    if match is None:
        raise UnreadableEventError("no ce-type of Parkstream")
    try:
        event = _decode(data)
    except msgspec.DecodeError as error:
        raise UnreadableEventError(str(error)) from error
    place = event.space
    tenant_id, space_id = (place.tenant_id, place.id) if place else (event.tenant_id, event.space_id)
    version = place.version if place else event.version
    versioned = stream == SPACES and match[1] not in _UNVERSIONED
    if tenant_id is None or space_id is None or (versioned and version is None):
        raise UnreadableEventError("tenant_id, space_id or version is missing")
    return Announcement(
        stream=stream,
        sequence=sequence,
        tenant_id=tenant_id,
        space_id=space_id,
        site_id=place.site_id if place else event.site_id,
        zone=place.zone if place else event.zone,
        version=version if versioned else None,
        name=match[1],
        body=b"event: %b\ndata: %b\n\n" % (match[1].encode(), _one_line(data)),
    )


def _one_line(data: bytes) -> bytes:
    """JSON has line breaks between tokens only, where a space means the same."""
    return data.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in data or b"\r" in data else data


class PassedVersions:
    """Which version of each space went by last, so that an event delivered again is dropped. Bounded.

    Clients choose space ids: two tenants may have chosen the same one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._last: dict[tuple[UUID, UUID], tuple[int, tuple[str, ...]]] = {}

    def is_passed(self, announcement: Announcement) -> bool:
        """Note the event; true when this version, in this event, or a later one went by before."""
        version = announcement.version
        if version is None:
            return False
        key = announcement.tenant_id, announcement.space_id
        last, names = self._last.pop(key, (0, ()))
        passed = version < last or (version == last and announcement.name in names)
        if version > last:
            last, names = version, ()
        if not passed:
            names = (*names, announcement.name)
        self._last[key] = (last, names)
        if len(self._last) > self._capacity:
            del self._last[next(iter(self._last))]
        return passed
