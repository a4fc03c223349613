"""ChirpStack's topics, and what is none."""

import pytest

from parking_chassis.dead_letters import PoisonError
from parking_contracts.errors import DeadLetterCode
from uplink_ingestor.topics import EventTopic, NotForUsError, parse_topic, subscription


def test_a_topic_names_application_device_and_event():
    assert parse_topic("application/a1/device/0A0B0C0D0E0F1011/event/up") == EventTopic("up", "a1", "0a0b0c0d0e0f1011")


def test_a_prefix_stands_before_it():
    topic = parse_topic("eu868/application/a1/device/0a0b0c0d0e0f1011/event/join", "eu868/")
    assert topic == EventTopic("join", "a1", "0a0b0c0d0e0f1011")
    assert subscription("eu868/", "") == "eu868/application/+/device/+/event/+"


def test_a_shared_subscription_names_its_group():
    assert subscription("", "ingestors") == "$share/ingestors/application/+/device/+/event/+"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "application/a1/device/0a0b0c0d0e0f1011/event",
        "application/a1/device/0a0b0c0d0e0f1011/event/up/more",
        "application/a1/device/0a0b0c0d0e0f1011/event/UP",
        "application/a1/device/0a0b/event/up",
        "application//device/0a0b0c0d0e0f1011/event/up",
        "application/a1/device/0a0b0c0d0e0f1011/command/down",
        "something/else",
    ],
)
def test_what_does_not_fit_is_poison(topic: str):
    with pytest.raises(PoisonError) as poison:
        parse_topic(topic)
    assert poison.value.code == DeadLetterCode.INVALID_TOPIC


def test_chirpstacks_integration_event_is_not_for_us():
    with pytest.raises(NotForUsError):
        parse_topic("application/a1/device/0a0b0c0d0e0f1011/event/integration")
