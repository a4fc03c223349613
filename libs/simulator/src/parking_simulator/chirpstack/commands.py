"""`command/down` of ChirpStack's MQTT integration: topic and body in, an item for the queue out. Pure.

Here, and only here, an id that the sender chose is kept; one that is no UUID, a body that is not JSON of a
`DownlinkCommand`, or one of another device than the topic's is refused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Final

from chirpstack_api import integration  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf import json_format

from parking_simulator.chirpstack.network import Network, NetworkDevice
from parking_simulator.chirpstack.queue import QueueItem

SUBSCRIPTION: Final = "application/+/device/+/command/+"
_TOPIC: Final = re.compile(r"application/(?P<application>[\w-]+)/device/(?P<device>\w+)/command/(?P<command>\w+)")


class CommandRefusedError(Exception):
    """ChirpStack writes an error to its log, and tells nobody else."""


def read_command(
    topic: str, body: bytes, network: Network, is_queued: Callable[[str], bool]
) -> tuple[NetworkDevice, QueueItem]:
    """What is to be queued, and for whom; `is_queued` knows the ids in all queues. Raises CommandRefusedError."""
    match = _TOPIC.fullmatch(topic)
    if match is None or match["command"] != "down":
        raise CommandRefusedError("Unknown command type")
    try:
        command = json_format.Parse(body, integration.DownlinkCommand())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise CommandRefusedError(f"not a DownlinkCommand: {error}") from error
    if command.dev_eui != match["device"]:
        raise CommandRefusedError(f"Payload dev_eui {command.dev_eui} does not match topic dev_eui {match['device']}")
    device = network.devices.get(command.dev_eui.lower())
    if device is None:
        raise CommandRefusedError(f"Object does not exist (id: {command.dev_eui})")
    if device.application_id != match["application"]:
        raise CommandRefusedError("Application ID from topic does not match application ID from device")
    if command.f_port & 0xFF == 0:
        raise CommandRefusedError("Validation error: FPort must be between 1 - 255")
    item = QueueItem(
        id=_identity(command.id),
        f_port=command.f_port & 0xFF,
        data=command.data,
        confirmed=command.confirmed,
        expires_at=command.expires_at.ToNanoseconds() / 1e9 if command.HasField("expires_at") else None,
    )
    if is_queued(item.id):
        raise CommandRefusedError(f"Object already exists (id: {item.id})")
    return device, item


def _identity(text: str) -> str:
    if not text:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise CommandRefusedError(f"invalid UUID: {text[:50]!r}") from None
