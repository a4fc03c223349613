"""Whose device it is: a downlink leaves only if ChirpStack itself has the device in the application of the tenant.

In: a DevEUI and the application that the platform found it in. Out: nothing, or a DeviceDeniedError. ChirpStack's
Enqueue takes any DevEUI that the key covers, and what the platform believes of a device may come from an event that
another tenant made up; so only ChirpStack's own word counts (docs/decisions/0016).
"""

from __future__ import annotations

import time
from typing import Protocol

import msgspec
import structlog
from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs

from downlink_dispatcher import metrics
from downlink_dispatcher.network.chirpstack import UNDISPUTED, CallRefusedError, ChirpStack, Code
from downlink_dispatcher.network.transport import DeviceDeniedError, EnqueueFailedError

log = structlog.get_logger()

KEPT_SECONDS = 60.0
KEPT_DEVICES = 100_000


class Directory(Protocol):
    """What the last sync found."""

    async def application_of(self, dev_eui: str) -> str | None:
        """The application of a device; None when the sync has not seen it."""
        ...


class _Known(msgspec.Struct, frozen=True):
    application_id: str
    until: float


class Ownership:
    """Remembers for a minute where ChirpStack has a device."""

    def __init__(self, chirpstack: ChirpStack, directory: Directory) -> None:
        self._chirpstack = chirpstack
        self._directory = directory
        self._known: dict[str, _Known] = {}

    async def require(self, dev_eui: str, application_id: str) -> None:
        """Let the device pass if it is in this application.

        Raises:
            NetworkAwayError: Nobody can say at the moment.
            DeviceDeniedError: It is in another one, or in none that our key covers.
            EnqueueFailedError: ChirpStack could not say.
        """
        known = self._known.get(dev_eui)
        if known is not None and known.until > time.monotonic() and known.application_id == application_id:
            return
        found = await self._directory.application_of(dev_eui)
        if found != application_id:  # not synced yet, or moved since
            found = await self._ask(dev_eui)
        if found != application_id:
            self._known.pop(dev_eui, None)
            metrics.FOREIGN_DEVICES.inc()
            log.warning("downlink_withheld", dev_eui=dev_eui, claimed_application=application_id, application=found)
            raise denied(dev_eui)
        if len(self._known) >= KEPT_DEVICES:
            self._known.clear()
        self._known[dev_eui] = _Known(application_id, time.monotonic() + KEPT_SECONDS)

    async def _ask(self, dev_eui: str) -> str:
        chirpstack = self._chirpstack
        try:
            answer = await chirpstack.call("get_device", chirpstack.devices.Get, api.GetDeviceRequest(dev_eui=dev_eui))
        except CallRefusedError as error:
            raise refusal_of(error, dev_eui) from None
        if not answer.device.application_id:
            raise EnqueueFailedError(f"ChirpStack did not say in which application {dev_eui} is")
        return str(answer.device.application_id)


def refusal_of(error: CallRefusedError, dev_eui: str) -> DeviceDeniedError | EnqueueFailedError:
    """What a refusal means for a downlink: the device is out of reach, or this attempt failed."""
    if error.is_denied or error.code is Code.NOT_FOUND:
        log.warning("device_out_of_reach", dev_eui=dev_eui, reason=str(error))
        return denied(dev_eui)
    # Anything but plain words about what was asked may also come of what failed once it was done.
    return EnqueueFailedError(f"ChirpStack: {error}", is_at_server=error.code not in UNDISPUTED)


def denied(dev_eui: str) -> DeviceDeniedError:
    """The same words whatever the reason: nobody is to learn that somebody else has the device."""
    return DeviceDeniedError(
        f"ChirpStack has no device {dev_eui} in the tenant's application, or lets nobody send to it"
    )
