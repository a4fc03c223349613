"""What travels on the bus, found in the contracts: events with their subjects, and commands with their owners. Pure.

In: every module of `parking_contracts`. A new event type or command is found by being there; only what belongs to no
table of event types (uplinks, the other device events, dead letters) is named here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import msgspec

import parking_contracts
from parking_contracts import device, errors, subjects, uplink
from parking_contracts.command import CommandBody
from parking_contracts.streams import STREAMS, Stream

_DEVICE_EVENTS: dict[subjects.DeviceEventName, type[msgspec.Struct]] = {
    "join": device.DeviceJoined,
    "ack": device.DownlinkAcknowledged,
    "txack": device.DownlinkTransmitted,
    "log": device.DeviceLogged,
    "status": device.DeviceStatus,
    "location": device.DeviceLocated,
}
PARAMETERS = {
    "tenantId": "the tenant, a UUID",
    "spaceId": "the space, a UUID",
    "devEui": "the device, 16 lower-case hex digits",
    "gatewayId": "the LoRaWAN gateway, 16 lower-case hex digits",
    "service": "the service that gave it up",
    "code": "why it can never succeed",
}


@dataclass(frozen=True, slots=True)
class BusEvent:
    """One kind of message of a stream; `event_type` is its CloudEvents type, where it has one."""

    name: str
    subject: str
    body: type[msgspec.Struct]
    producer: str
    event_type: str | None = None

    @property
    def stream(self) -> Stream | None:
        """The stream that keeps it."""
        return next((one for one in STREAMS if any(_covers(pattern, self.subject) for pattern in one.subjects)), None)


def contract_modules() -> Iterator[ModuleType]:
    """Every module of the contracts."""
    for found in pkgutil.iter_modules(parking_contracts.__path__, "parking_contracts."):
        yield importlib.import_module(found.name)


def bus_events() -> list[BusEvent]:
    """Every event, those of a noun's table first."""
    events = [
        BusEvent(body.__name__, _subject_of(event_type), body, producer_of(module), event_type)
        for module in contract_modules()
        for body, event_type in getattr(module, "EVENT_TYPES", {}).items()
    ]
    events += [
        BusEvent("UplinkReceived", subjects.uplink("{devEui}"), uplink.UplinkReceived, "uplink_ingestor"),
        BusEvent("Tick", subjects.TICK, uplink.Tick, "uplink_ingestor"),
    ]
    events += [
        BusEvent(body.__name__, subjects.device(name, "{devEui}"), body, "uplink_ingestor")
        for name, body in _DEVICE_EVENTS.items()
    ]
    letter = subjects.dead_letter("{service}", "{code}")
    return [*events, BusEvent("DeadLetter", letter, errors.DeadLetter, "every service")]


def command_bodies() -> list[type[CommandBody]]:
    """Every command, by subject."""
    for _ in contract_modules():
        pass  # a command is known once its module is
    return sorted(_with_subject(CommandBody), key=lambda body: body.subject)


def describable(body: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The Struct itself, or a copy for what msgspec writes no schema of: a default that is raw JSON.

    In the copy such a field is any JSON, null where it is absent.
    """
    fields = msgspec.structs.fields(body)
    if not any(isinstance(field.default, msgspec.Raw) for field in fields):
        return body
    members = [
        (field.encode_name, Any, None) if isinstance(field.default, msgspec.Raw) else _member(field) for field in fields
    ]
    config = body.__struct_config__
    return msgspec.defstruct(
        body.__name__,
        members,
        kw_only=True,
        tag=config.tag,
        tag_field=config.tag_field,
        namespace={"__doc__": body.__doc__},
    )


def _member(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.default is not msgspec.NODEFAULT:
        return field.encode_name, field.type, field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.encode_name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.encode_name, field.type


def parameters_of(subject: str) -> list[str]:
    """`tenantId` and `spaceId` of `...{tenantId}.{spaceId}...`."""
    return re.findall(r"{(\w+)}", subject)


def _with_subject(body: type[CommandBody]) -> Iterator[type[CommandBody]]:
    for inner in body.__subclasses__():
        if "subject" in vars(inner):
            yield inner
        yield from _with_subject(inner)


def _subject_of(event_type: str) -> str:
    """`parkstream.space.created.v1` through `subjects.space`, with names in braces for the ids."""
    noun = event_type.split(".")[1]
    grammar: Any = getattr(subjects, noun)
    names = inspect.signature(grammar).parameters
    given = {name: subjects.event_of(event_type) if name == "event" else f"{{{_camel(name)}}}" for name in names}
    return str(grammar(**given))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.capitalize() for one in others)


def producer_of(module: ModuleType) -> str:
    """Who publishes a module's events, as its docstring says."""
    found = re.search(r"(?:Produced|Owned) by (\w+)", module.__doc__ or "")
    return found[1] if found else ""


def _covers(pattern: str, subject: str) -> bool:
    """NATS' own wildcard at the end."""
    return subject.startswith(pattern[:-1]) if pattern.endswith(">") else subject == pattern
