"""The path of one event: topic, body, message id, JetStream, acknowledgement. `Ingest.take` is all of it.

In: what arrived by MQTT or through the INGRESS stream. Out: UplinkReceived on UPLINKS, every other event on DEVICES,
and what can never succeed on DEAD_LETTERS. The sender gets its acknowledgement once JetStream has confirmed whichever
it became, and otherwise never: it keeps the message and delivers it again.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.windowed_publisher import Publication
from parking_contracts import subjects
from parking_contracts.device import DeviceFact, DownlinkTransmitted
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EventName
from parking_contracts.uplink import UplinkReceived
from uplink_ingestor import metrics
from uplink_ingestor.chirpstack_json import parse_json
from uplink_ingestor.chirpstack_protobuf import parse_protobuf
from uplink_ingestor.in_flight import InFlight, Receipt
from uplink_ingestor.publishers import Publishers
from uplink_ingestor.topics import EventTopic, NotForUsError, parse_event_name, parse_topic

log = structlog.get_logger()

SERVICE = "uplink_ingestor"
BODY_LIMIT_BYTES = 1 << 20
Marshaler = Literal["auto", "json", "protobuf"]

# A defect of ours must not make the sender repeat one message for ever: it is set aside like poison, and says so.
DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_HEADER_SAFE = re.compile(r"[!-~]{1,100}")
_encode = msgspec.json.Encoder().encode


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One delivery. `received_at` is stamped once, where the message entered the platform; `replay` counts replays.

    `topic` is ChirpStack's, or an event's name alone where INGRESS had no topic with the body: then `origin` is
    jetstream. `marshaler` is how the sender says the body is written, `application_id` the one it was let in for.
    """

    source: str
    topic: str
    body: bytes
    received_at: datetime
    receipt: Receipt | None
    origin: Literal["mqtt", "jetstream"] = "mqtt"
    replay: int | None = None
    marshaler: Marshaler | None = None
    application_id: str | None = None


class Ingest:
    """Takes one source's arrivals; `in_flight` knows those that JetStream has not confirmed yet."""

    def __init__(self, publishers: Publishers, *, topic_prefix: str = "", marshaler: Marshaler = "auto") -> None:
        self._publishers = publishers
        self._topic_prefix = topic_prefix
        self._marshaler = marshaler
        self.in_flight = InFlight()

    def take(self, arrival: Arrival) -> None:
        """Send one delivery on its way. Never raises and never waits: the sender's window bounds what is under way."""
        try:
            check_size(arrival.body)
            topic = self._topic_of(arrival)
            fact = identified(
                topic.event, parse_event(topic, arrival, arrival.marshaler or self._marshaler), arrival.body
            )
            message_id = message_id_of(topic.event, fact, arrival)
        except NotForUsError:
            metrics.NOT_FOR_US.inc()
            if arrival.receipt is not None:
                arrival.receipt.acknowledge()
            return
        except PoisonError as poison:
            self._set_aside(arrival, poison)
            return
        except DEFECTS as defect:
            log.exception("event_failed", topic=arrival.topic)
            self._set_aside(arrival, PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(defect)))
            return
        if not self.in_flight.depart(message_id, arrival.received_at, arrival.receipt):
            metrics.REPEATS.inc()
            return
        metrics.RECEIVED[topic.event].inc()
        publisher = self._publishers.uplinks if isinstance(fact, UplinkReceived) else self._publishers.devices
        publisher.submit(
            Publication(
                subject_for(topic.event, fact),
                _encode(fact),
                message_id,
                functools.partial(self._arrived, message_id),
                b"" if arrival.replay is None else b"Parkstream-Replay: %d\r\n" % arrival.replay,
            )
        )

    def _topic_of(self, arrival: Arrival) -> EventTopic:
        if "/" in arrival.topic:
            return parse_topic(arrival.topic, self._topic_prefix)
        return EventTopic(parse_event_name(arrival.topic), arrival.application_id)

    def _arrived(self, message_id: str) -> None:
        self.in_flight.arrive(message_id, time.monotonic())

    def _set_aside(self, arrival: Arrival, poison: PoisonError) -> None:
        letter = dead_letter(
            poison,
            service=SERVICE,
            origin=arrival.origin,
            address=arrival.topic if arrival.origin == "mqtt" else subjects.ingress(arrival.topic),
            body=arrival.body,
            received_at=arrival.received_at,
            source=arrival.source,
        )
        # Not the letter's own id, which tells two receipts apart: a redelivery is the same poison.
        message_id = f"{arrival.source}:dead:{digest(arrival.topic.encode(errors='replace'), letter.sha256.encode())}"
        message_id += replay_suffix(arrival)
        if not self.in_flight.depart(message_id, arrival.received_at, arrival.receipt):
            metrics.REPEATS.inc()
            return
        metrics.POISON.labels(poison.code).inc()
        log.warning("event_dead_lettered", topic=arrival.topic, code=poison.code, detail=poison.detail, id=letter.id)
        arrived = functools.partial(self._arrived, message_id)
        self._publishers.dead_letters.submit(
            Publication(subject_of(letter), encode_dead_letter(letter), message_id, arrived)
        )


def check_size(body: bytes) -> None:
    """Refuse what no ChirpStack event needs, before anything is spent on it."""
    if len(body) > BODY_LIMIT_BYTES:
        raise PoisonError(DeadLetterCode.OVERSIZE, f"{len(body)} bytes; at most {BODY_LIMIT_BYTES} are taken")


def parse_event(topic: EventTopic, arrival: Arrival, marshaler: Marshaler) -> DeviceFact:
    """Read the body. `auto` tells the marshalers apart: no protobuf event begins as a JSON object does."""
    is_json = marshaler == "json" or (marshaler == "auto" and arrival.body.lstrip()[:1] == b"{")
    parse = parse_json if is_json else parse_protobuf
    return parse(topic, arrival.body, source=arrival.source, received_at=arrival.received_at)


def identified(event: EventName, fact: DeviceFact, body: bytes) -> DeviceFact:
    """The fact with an id that tells it from others: a digest stands in for one that is missing or fits no header.

    A log says nothing of its own but its body, whatever id it carries.
    """
    if event != "log" and _HEADER_SAFE.fullmatch(fact.deduplication_id):
        return fact
    return msgspec.structs.replace(fact, deduplication_id=digest(body))


def message_id_of(event: EventName, fact: DeviceFact, arrival: Arrival) -> str:
    """What JetStream deduplicates by: `<source>:<event>:<deduplicationId>`, and a replay's number behind it.

    A txack has a downlink id instead.
    """
    key = str(fact.downlink_id) if isinstance(fact, DownlinkTransmitted) else fact.deduplication_id
    return f"{arrival.source}:{event}:{key}{replay_suffix(arrival)}"


def replay_suffix(arrival: Arrival) -> str:
    """Tells a replay from the delivery that failed, which JetStream may still remember."""
    return "" if arrival.replay is None else f":replay-{arrival.replay}"


def subject_for(event: EventName, fact: DeviceFact) -> str:
    """Where a fact is published."""
    return subjects.uplink(fact.dev_eui) if event == "up" else subjects.device(event, fact.dev_eui)


def digest(*parts: bytes) -> str:
    """128 bits of SHA-256."""
    return hashlib.sha256(b"\x1f".join(parts)).hexdigest()[:32]
