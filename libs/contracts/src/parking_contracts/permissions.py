"""Who may do what on the bus and at the MQTT broker: one user per service, with what it needs and nothing else.

Derived from the declarations of streams, consumers and subjects. `parkstream permissions` writes it down for NATS and
for Mosquitto; the embedded servers have the same. A stream is written by its owners alone, and what a service is not
told it cannot ask for. Replies go to inboxes that carry the name of the one who asked, so nobody reads another's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parking_contracts import downlink_commands, reservation_commands, space_commands, streams, subjects
from parking_contracts.streams import Stream

OPERATOR = "parkstream"
CHIRPSTACK = "chirpstack"
GATEWAY_BRIDGE = "gateway_bridge"

EVENT_TOPICS = "application/+/device/+/event/+"
COMMAND_TOPICS = "application/+/device/+/command/down"
# What ChirpStack subscribes.
ALL_COMMAND_TOPICS = "application/+/device/+/command/+"
# Between ChirpStack and LoRaWAN gateways, behind the name of the region.
GATEWAY_TOPICS = "+/gateway/#"

Subjects = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class User:
    """One user. NATS subjects of the bus, and topic filters of the MQTT broker; nothing else is allowed."""

    name: str
    what: str
    publish: Subjects = ()
    subscribe: Subjects = ()
    mqtt_write: Subjects = ()
    mqtt_read: Subjects = ()


def _consumed(service: str, *of: Stream) -> Iterable[str]:
    """What a durable consumer's owner publishes: requests for messages, acknowledgements, questions."""
    for stream in of:
        place = f"{stream.name}.{service}"
        yield from (f"$JS.API.CONSUMER.MSG.NEXT.{place}", f"$JS.API.CONSUMER.INFO.{place}", f"$JS.ACK.{place}.>")


def _measured(service: str) -> Iterable[str]:
    """How full streams are and how far behind their consumers, for the service's metrics."""
    for stream in streams.MEASURED_BY[service]:
        yield f"$JS.API.STREAM.INFO.{stream.name}"
        yield from (f"$JS.API.CONSUMER.INFO.{stream.name}.{consumer.name}" for consumer in stream.consumers)


def _read(*of: Stream) -> Iterable[str]:
    """Messages by sequence, without a consumer: of any replica, and of the leader, which alone knows the end."""
    for stream in of:
        yield from (
            f"$JS.API.STREAM.INFO.{stream.name}",
            f"$JS.API.DIRECT.GET.{stream.name}",
            f"$JS.API.STREAM.MSG.GET.{stream.name}",
        )


def _followed(*of: Stream) -> Iterable[str]:
    """An ephemeral consumer of one's own: without a name in the subject no durable can be made or changed."""
    for stream in of:
        yield from (f"$JS.API.CONSUMER.CREATE.{stream.name}", f"$JS.FC.{stream.name}.>")


def _service(
    name: str, what: str, publish: Iterable[str], *, hears: Subjects = (), write: Subjects = (), read: Subjects = ()
) -> User:
    consumed = [stream for stream in streams.STREAMS if name in {consumer.name for consumer in stream.consumers}]
    return User(
        name=name,
        what=what,
        publish=tuple(
            dict.fromkeys((*publish, subjects.dead_letter(name, "*"), *_consumed(name, *consumed), *_measured(name)))
        ),
        subscribe=(f"{subjects.inbox(name)}.>", *hears),
        mqtt_write=write,
        mqtt_read=read,
    )


def _owner(name: str, noun: str, what: str, publish: Iterable[str], *, write: Subjects = ()) -> User:
    """A service that answers the commands of what it owns, which the gateway and the operator give."""
    answers = (f"{inbox}.>" for inbox in (subjects.inbox("api_gateway"), subjects.OPERATOR_INBOX))
    return _service(name, what, (*publish, *answers), hears=(subjects.commands_of(noun),), write=write)


_INGESTOR = _service(
    "uplink_ingestor",
    "stores what devices say; reads their events at the broker",
    (subjects.ALL_UPLINKS, subjects.TICK, *(subjects.device(event, "*") for event in subjects.DEVICE_EVENTS)),
    hears=(subjects.INGRESS_OPEN,),
    read=(EVENT_TOPICS,),
)
_ENGINE = _owner(
    "occupancy_engine",
    space_commands.OWNER,
    "says what spaces are; takes handled uplinks from their stream, and puts replayed messages back",
    (
        subjects.ALL_SPACES,
        subjects.ALL_UPLINKS,
        subjects.ALL_DEVICES,
        subjects.ALL_GATEWAYS,
        f"$JS.API.STREAM.PURGE.{streams.UPLINKS.name}",
        f"$JS.API.DIRECT.GET.{streams.DEAD_LETTERS.name}",
    ),
)
_RESERVATIONS = _owner(
    "reservation_service",
    reservation_commands.OWNER,
    "says what is reserved, and puts replayed messages back",
    (subjects.ALL_RESERVATIONS, f"$JS.API.DIRECT.GET.{streams.DEAD_LETTERS.name}"),
)
_DISPATCHER = _owner(
    "downlink_dispatcher",
    downlink_commands.OWNER,
    "says what ChirpStack lists and what is wrong with displays; commands devices at the broker",
    (*(subjects.device(fact, "*") for fact in ("synced", "alert")), subjects.gateway("synced", "*")),
    write=(COMMAND_TOPICS,),
)
_GATEWAY = _service(
    "api_gateway",
    "takes events in over HTTP, asks the owners of nouns, follows and reads what clients may see",
    (
        subjects.ALL_INGRESS,
        subjects.INGRESS_OPEN,
        subjects.commands_of("*"),
        *_read(streams.SPACES, streams.RESERVATIONS, streams.DEAD_LETTERS),
        *_followed(streams.SPACES, streams.RESERVATIONS),
        f"$JS.API.STREAM.MSG.DELETE.{streams.DEAD_LETTERS.name}",
    ),
)

SERVICES = (_INGESTOR, _ENGINE, _RESERVATIONS, _DISPATCHER, _GATEWAY)
USERS = (
    *SERVICES,
    User(
        name=OPERATOR,
        what="`parkstream` on the command line: makes streams, backs them up, looks at everything",
        publish=(">",),
        subscribe=(">",),
        mqtt_write=(EVENT_TOPICS,),
        mqtt_read=("parkstream/#",),
    ),
    User(
        name=CHIRPSTACK,
        what="the network server: tells of devices, and takes commands to them",
        mqtt_write=(EVENT_TOPICS, GATEWAY_TOPICS),
        mqtt_read=(ALL_COMMAND_TOPICS, GATEWAY_TOPICS),
    ),
    User(
        name=GATEWAY_BRIDGE,
        what="LoRaWAN gateways",
        mqtt_write=(GATEWAY_TOPICS,),
        mqtt_read=(GATEWAY_TOPICS,),
    ),
)
