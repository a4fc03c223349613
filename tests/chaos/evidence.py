"""Everything that is left after a round, read once when all has come to rest.

In: a world. Out: rows, messages and what the displays show, as plain values that a test can make by hand.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from chaos.ledger import Ledger


class Reading(msgspec.Struct, frozen=True):
    """A row of sensor_readings."""

    tenant_id: str
    dev_eui: str
    session_at: datetime
    f_cnt: int
    occurred_at: datetime
    occupied: bool | None
    space_id: str | None


class StayRow(msgspec.Struct, frozen=True):
    """A row of stays; places are (session_at, fCnt)."""

    tenant_id: str
    space_id: str
    dev_eui: str
    arrived: tuple[datetime, int]
    arrived_at: datetime
    departed: tuple[datetime, int] | None
    departed_at: datetime | None


class SpaceRow(msgspec.Struct, frozen=True):
    """A space with what it shows, and the devices on it."""

    tenant_id: str
    space_id: str
    sensor_eui: str | None
    display_eui: str | None
    state: str
    layer: str
    version: int


class ChangeRow(msgspec.Struct, frozen=True):
    """A row of state_changes."""

    tenant_id: str
    space_id: str
    version: int
    previous: str
    state: str
    cause: str
    occurred_at: datetime
    changed_at: datetime


class ReservationRow(msgspec.Struct, frozen=True):
    """A row of reservations."""

    tenant_id: str
    id: str
    space_id: str
    starts_at: datetime
    ends_at: datetime
    status: str


class Published(msgspec.Struct, frozen=True):
    """A message of SPACES, in the stream's order."""

    sequence: int
    tenant_id: str
    space_id: str
    type: str
    version: int


class LeftOvers(msgspec.Struct, frozen=True, kw_only=True):
    """What should be nothing when all is at rest, by name: outbox rows, unacknowledged messages, locks, claims, ..."""

    counts: dict[str, int] = {}
    dead_letters: list[str] = []


class Evidence(msgspec.Struct, kw_only=True):
    """One round's. `displays` is what each shows, asked of the double itself; `families` of which family each is.

    `announced` are the reservations of whose making the stream tells, as often as it does.
    """

    ledger: Ledger
    gathered_at: datetime
    families: dict[str, str] = {}
    readings: list[Reading] = []
    stays: list[StayRow] = []
    spaces: list[SpaceRow] = []
    changes: list[ChangeRow] = []
    reservations: list[ReservationRow] = []
    published: list[Published] = []
    announced: list[str] = []
    displays: dict[str, str] = {}
    left_overs: LeftOvers = LeftOvers()
