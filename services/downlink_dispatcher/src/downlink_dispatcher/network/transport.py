"""What a way to the network server is: a downlink goes in, the id of its queue item comes out; and how it can fail.

Two ways follow this: ChirpStack's gRPC API and its MQTT commands. Neither promises that an item is queued once: whoever
sends asks `find` before sending again what may be there already, and sends absolute commands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A downlink to hand over: an application's fPort, and bytes. `flush` empties the device's queue first.

    `application_id` is where the device must be found: the network server sends to any DevEUI that its token covers,
    and must not do so for a tenant who has only written one down.
    """

    downlink_id: UUID
    dev_eui: str
    application_id: str
    f_port: int
    payload: bytes
    confirmed: bool
    expires_at: datetime
    flush: bool = False


class NetworkAwayError(Exception):
    """The network server cannot be reached, or does not let us in: nothing is wrong with the downlink. It waits.

    `retry_seconds` is when to come again: before that, nobody has asked whether the network server is back.
    """

    def __init__(self, message: str, retry_seconds: float = 5.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class DeviceDeniedError(Exception):
    """The network server does not know the device (in this application), or does not let us send to it. It waits."""


class EnqueueFailedError(Exception):
    """The network server refused this downlink: a failed attempt. `is_at_server`: it may be queued all the same."""

    def __init__(self, message: str, *, is_at_server: bool = False) -> None:
        super().__init__(message)
        self.is_at_server = is_at_server


class Transport(Protocol):
    """One way to the network server."""

    async def enqueue(self, item: Item) -> str:
        """Hand an item over and return its id there.

        Raises:
            NetworkAwayError, DeviceDeniedError: It waits; this is no failed attempt.
            EnqueueFailedError: A failed attempt.
        """
        ...

    async def find(self, item: Item) -> str | None:
        """The id of an equal item that waits in the device's queue. Raises as `enqueue` does."""
        ...

    async def check(self) -> str | None:
        """What is wrong with the network server, or None: a health warning, since desired states wait well."""
        ...
