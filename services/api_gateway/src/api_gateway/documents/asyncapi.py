"""The AsyncAPI 3.0 document of the bus, generated from the contracts."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from api_gateway import VERSION
from api_gateway.documents.bus_messages import (
    PARAMETERS,
    BusEvent,
    bus_events,
    command_bodies,
    describable,
    parameters_of,
)
from parking_contracts import subjects
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Accepted, Refusal
from parking_contracts.streams import MAX_PAYLOAD_BYTES, STREAMS, Stream

Json = dict[str, Any]
PATH = "/asyncapi.json"
_REFERENCE = "#/components/schemas/{name}"
DESCRIPTION = """\
The bus between Parkstream's services: NATS with JetStream. Bodies are JSON in UTF-8.

Events of spaces and reservations are CloudEvents 1.0 in NATS binary mode: the attributes are headers, the body is the
event. The versions of one space come in order. Every event can come twice: drop what you have seen (`ce-id`, or the
version of the space). Consumers ignore fields that they do not know; a published event is never edited, what it lacks
comes as a `v2` beside it. Commands are requests: the service that owns the noun answers with an accepted result or a
refusal, and commits the answer with the effect, so that a retry with the same idempotency key is harmless.
"""
_CLOUD_EVENT_HEADERS = {
    "ce-specversion": "the version of CloudEvents: 1.0",
    "ce-id": "names the event; the same when it comes again",
    "ce-type": "the kind of event and its version",
    "ce-source": "the service that publishes it",
    "ce-time": "when it was written (RFC 3339)",
}
_MESSAGE_ID = {"Nats-Msg-Id": "JetStream drops a second message with the same id within its window"}


@cache
def describe_bus() -> Json:
    """The document, made once."""
    events, commands = bus_events(), command_bodies()
    payloads: dict[str, Any] = {event.name: describable(event.body) for event in events}
    payloads |= {body.__name__: Command[body] for body in commands}  # type: ignore[valid-type]  # a run-time generic
    payloads["Reply"] = describable(Accepted) | Refusal
    references, schemas = msgspec.json.schema_components(payloads.values(), ref_template=_REFERENCE)
    reference = dict(zip(payloads, references, strict=True))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Parkstream's bus", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "localhost:4222",
                "protocol": "nats",
                "description": f"Where PARKSTREAM_NATS_URL leads. A message holds at most {MAX_PAYLOAD_BYTES} bytes.",
            }
        },
        "channels": {
            **{event.name: _event_channel(event) for event in events},
            **{body.__name__: _command_channel(body) for body in commands},
            "Replies": {
                "address": None,
                "description": "Where the request says (NATS' reply subject).",
                "messages": {"Reply": {"$ref": "#/components/messages/Reply"}},
            },
        },
        "operations": {
            **{f"publish{event.name}": _event_operation(event) for event in events},
            **{f"answer{body.__name__}": _command_operation(body) for body in commands},
        },
        "components": {
            "messages": {
                **{event.name: _event_message(event, reference[event.name]) for event in events},
                **{body.__name__: _command_message(body, reference[body.__name__]) for body in commands},
                "Reply": {"summary": "Accepted with a result, or refused with a reason", "payload": reference["Reply"]},
            },
            "schemas": schemas,
        },
        "x-streams": [_stream(stream) for stream in STREAMS],
    }


def _event_channel(event: BusEvent) -> Json:
    kept = f"Kept by the stream {event.stream.name}. " if event.stream else ""
    return {
        "address": event.subject,
        "title": event.name,
        "description": f"{kept}Published by {event.producer}.",
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"}},
        "parameters": {name: {"description": PARAMETERS[name]} for name in parameters_of(event.subject)},
    }


def _event_operation(event: BusEvent) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{event.name}"},
        "summary": _first_line(event.body),
        "messages": [{"$ref": f"#/channels/{event.name}/messages/{event.name}"}],
    }


def _event_message(event: BusEvent, payload: Json) -> Json:
    headers = _MESSAGE_ID | (_CLOUD_EVENT_HEADERS if event.event_type else {})
    properties: Json = {name: {"type": "string", "description": text} for name, text in headers.items()}
    if event.event_type:
        properties["ce-type"]["const"] = event.event_type
    return {
        "name": event.event_type or event.name,
        "title": event.name,
        "summary": _first_line(event.body),
        "description": _text(event.body),
        "headers": {"type": "object", "properties": properties},
        "payload": payload,
    }


def _command_channel(body: type[CommandBody]) -> Json:
    return {
        "address": body.subject,
        "title": body.__name__,
        "description": f"Answered by the {subjects.command_owner(body.subject)} service. No stream keeps it.",
        "messages": {body.__name__: {"$ref": f"#/components/messages/{body.__name__}"}},
    }


def _command_operation(body: type[CommandBody]) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{body.__name__}"},
        "summary": _first_line(body),
        "messages": [{"$ref": f"#/channels/{body.__name__}/messages/{body.__name__}"}],
        "reply": {
            "address": {"location": "$message.header#/reply", "description": "NATS' own reply subject"},
            "channel": {"$ref": "#/channels/Replies"},
            "messages": [{"$ref": "#/channels/Replies/messages/Reply"}],
        },
    }


def _command_message(body: type[CommandBody], payload: Json) -> Json:
    name = subjects.command_name(body.subject)
    return {"name": name, "title": body.__name__, "description": _text(body), "payload": payload}


def _stream(stream: Stream) -> Json:
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "retention": stream.retention,
        "discard": stream.discard,
        "max_age_seconds": stream.max_age_seconds,
        "max_bytes": stream.max_bytes,
        "consumers": [consumer.name for consumer in stream.consumers],
    }


def _text(body: type) -> str:
    return " ".join((body.__doc__ or "").split())


def _first_line(body: type) -> str:
    return (body.__doc__ or "").strip().partition("\n")[0]
