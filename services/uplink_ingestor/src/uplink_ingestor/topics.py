"""The topics of ChirpStack's MQTT integration: `application/<id>/device/<devEui>/event/<event>`, behind a prefix.

In: a topic as the broker or the INGRESS stream names it. Out: who it says is speaking, and the event.
"""

from __future__ import annotations

import msgspec

from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import parse_eui
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EVENTS, EventName

# What other integrations of ChirpStack add about a device; its uplink comes by itself.
NOT_FOR_US = frozenset({"integration"})
# As many as a binding of an application takes; an endless one could not be looked up.
APPLICATION_ID_LIMIT = 100
_BY_NAME: dict[str, EventName] = {name: name for name in EVENTS}


class NotForUsError(Exception):
    """An event of ChirpStack that the platform has no use for."""


class EventTopic(msgspec.Struct, frozen=True, gc=False):
    """An event and who the topic says it is from; None where nothing but the body says it.

    Over HTTP the application is the one that the sender was let in for.
    """

    event: EventName
    application_id: str | None = None
    dev_eui: str | None = None

    def confirm(self, application_id: str, dev_eui: str) -> str:
        """Return the body's devEui as 16 lower-case digits if the body speaks of the same device as the topic.

        Raises:
            PoisonError: They disagree, or the body's devEui is none.
        """
        body_eui = dev_eui if dev_eui == self.dev_eui else _parse(dev_eui, "deviceInfo.devEui")
        if self.dev_eui is not None and body_eui != self.dev_eui:
            raise PoisonError(
                DeadLetterCode.IDENTITY_MISMATCH,
                f"deviceInfo.devEui is {body_eui}, but the topic is of device {self.dev_eui}",
            )
        if not application_id:
            raise PoisonError(DeadLetterCode.INVALID_EVENT, "deviceInfo.applicationId is missing")
        if len(application_id) > APPLICATION_ID_LIMIT:
            raise PoisonError(
                DeadLetterCode.INVALID_VALUE,
                f"deviceInfo.applicationId has {len(application_id)} characters; at most {APPLICATION_ID_LIMIT}",
            )
        if self.application_id is not None and application_id != self.application_id:
            raise PoisonError(
                DeadLetterCode.IDENTITY_MISMATCH,
                f"deviceInfo.applicationId is {application_id[:100]!r}, "
                f"but it was delivered as one of application {self.application_id[:100]!r}",
            )
        return body_eui


def subscription(prefix: str, shared_group: str) -> str:
    """The topic filter of every event. One filter: NATS's listener adds up the windows of all, and they are limited."""
    share = f"$share/{shared_group}/" if shared_group else ""
    return f"{share}{prefix}application/+/device/+/event/+"


def parse_event_name(name: str) -> EventName:
    """Recognise one of the seven events.

    Raises:
        NotForUsError: The event exists, and is none of them.
        PoisonError: There is no such event.
    """
    if name in NOT_FOR_US:
        raise NotForUsError(name)
    if (event := _BY_NAME.get(name)) is None:
        raise PoisonError(
            DeadLetterCode.INVALID_TOPIC, f"unknown event {name[:100]!r}; expected one of {', '.join(EVENTS)}"
        )
    return event


def parse_topic(topic: str, prefix: str = "") -> EventTopic:
    """Take a topic apart.

    Raises:
        NotForUsError: The platform has no use for this event.
        PoisonError: It is no topic of a ChirpStack event.
    """
    match topic.removeprefix(prefix).split("/"):
        case ["application", application_id, "device", dev_eui, "event", event] if application_id:
            return EventTopic(parse_event_name(event), application_id, _parse(dev_eui, "the topic's devEui"))
    raise PoisonError(
        DeadLetterCode.INVALID_TOPIC,
        f"{topic[:200]!r} does not fit {prefix}application/<id>/device/<devEui>/event/<event>",
    )


def _parse(dev_eui: str, where: str) -> str:
    try:
        return parse_eui(dev_eui)
    except ValueError as error:
        code = DeadLetterCode.INVALID_VALUE if where.startswith("device") else DeadLetterCode.INVALID_TOPIC
        raise PoisonError(code, f"{where}: {error}") from None
