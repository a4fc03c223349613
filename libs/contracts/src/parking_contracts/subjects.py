"""The grammar of the bus: every subject is made and taken apart here and nowhere else.

Tokens are lower-case; a tenant and a space are UUIDs, a device is a DevEUI of 16 hex digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from uuid import UUID

ROOT = "parking.v1"

# What ChirpStack's integrations call the events of a device, in a topic's last part: the uplink, and every other.
DeviceEventName = Literal["join", "ack", "txack", "log", "status", "location"]
EventName = Literal["up"] | DeviceEventName
# What the platform's own services say of a device, beside what it says itself, and of a LoRaWAN gateway.
DeviceFactName = Literal["synced", "reported", "alert"]
GatewayFactName = Literal["synced"]
DEVICE_EVENTS: tuple[DeviceEventName, ...] = get_args(DeviceEventName)
EVENTS: tuple[EventName, ...] = ("up", *DEVICE_EVENTS)

TICK = f"{ROOT}.tick"
# Where a gateway says that it takes events over HTTP. No stream captures it: only what is said now counts.
INGRESS_OPEN = f"{ROOT}.open.ingress"
# What the subjects of replies to the operator begin with, and to whatever tool he uses.
OPERATOR_INBOX = "_INBOX"
ALL_UPLINKS = f"{ROOT}.uplink.>"
ALL_DEVICES = f"{ROOT}.device.>"
ALL_GATEWAYS = f"{ROOT}.gateway.>"
ALL_SPACES = f"{ROOT}.space.>"
ALL_RESERVATIONS = f"{ROOT}.reservation.>"
ALL_DEAD_LETTERS = f"{ROOT}.dead.>"
ALL_INGRESS = f"{ROOT}.ingress.>"


def uplink(dev_eui: str) -> str:
    """The subject of one device's uplinks."""
    return f"{ROOT}.uplink.{dev_eui}"


def device(event: DeviceEventName | DeviceFactName, dev_eui: str) -> str:
    """The subject of one device's other ChirpStack events, and of what our services say of it."""
    return f"{ROOT}.device.{event}.{dev_eui}"


def device_event(subject: str) -> str | None:
    """The event that the subject of a device's event names; None for a subject of anything else."""
    return subject.split(".")[-2] if subject.startswith(ALL_DEVICES[:-1]) else None


def gateway(event: GatewayFactName, gateway_id: str) -> str:
    """The subject of what our services say of one LoRaWAN gateway."""
    return f"{ROOT}.gateway.{event}.{gateway_id}"


def space(tenant_id: UUID, space_id: UUID, event: str) -> str:
    """The subject of one kind of event of one space, called as `event_of` says."""
    return f"{ROOT}.space.{tenant_id}.{space_id}.{event}"


def reservation(tenant_id: UUID, space_id: UUID, event: str) -> str:
    """The subject of one kind of reservation event of one space, called as `event_of` says."""
    return f"{ROOT}.reservation.{tenant_id}.{space_id}.{event}"


def event_of(event_type: str) -> str:
    """What a subject calls an event of this CloudEvent type: `created` for `parkstream.space.created.v1`."""
    return event_type.split(".")[2]


def spaces_of(tenant_id: UUID) -> str:
    """The filter for every event of one tenant's spaces."""
    return f"{ROOT}.space.{tenant_id}.>"


def reservations_of(tenant_id: UUID) -> str:
    """The filter for every reservation event of one tenant."""
    return f"{ROOT}.reservation.{tenant_id}.>"


def tenant_of(subject: str) -> str:
    """The tenant that the subject of a space's or a reservation's event names."""
    return subject.split(".")[3]


def thing_of(subject: str) -> str:
    """What the events of a subject are about, so that their order counts: a space, or one device's facts of a kind."""
    return subject.rpartition(".")[0] if subject.split(".")[2] in {"space", "reservation"} else subject


def ingress(event: str) -> str:
    """The subject of an untouched event body, from HTTP or from the dead letters."""
    return f"{ROOT}.ingress.{event}"


def dead_letter(service: str, code: str) -> str:
    """The subject of poison that `service` set aside because of `code`."""
    return f"{ROOT}.dead.{service}.{code}"


def command(service: str, name: str) -> str:
    """The request/reply subject of a command; `name` is `<noun>.<verb>`. No stream captures it."""
    return f"{ROOT}.command.{service}.{name}"


def commands_of(service: str) -> str:
    """The filter for every command of one owner; `*`: of all."""
    return command(service, "*.*")


def inbox(user: str) -> str:
    """What the subjects of one user's replies begin with: others are not allowed to listen there."""
    return f"_INBOX_{user}"


def command_name(subject: str) -> str:
    """`<noun>.<verb>` of a command's subject."""
    return ".".join(subject.split(".")[-2:])


def command_owner(subject: str) -> str:
    """The service that answers a command's subject."""
    return subject.split(".")[3]
