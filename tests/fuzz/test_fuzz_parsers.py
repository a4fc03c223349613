"""Arbitrary topics and bodies at the ingestor's parsers: an event that every reader takes, or a reason; never else."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.events import NOW, any_event, eui, event_body, hostile, hostile_topic
from occupancy_engine.device_events import read_device_event
from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import DeviceFact
from parking_contracts.subjects import EVENTS, EventName
from parking_contracts.uplink import UplinkReceived
from parking_simulator.chirpstack_events import MESSAGES
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID
from uplink_ingestor.ingest import Arrival, identified, message_id_of, parse_event, subject_for
from uplink_ingestor.topics import EventTopic, NotForUsError, parse_topic

# By its seed: a dice of Hypothesis's own takes ten times as long to throw.
DICE = st.integers(0, 2**64 - 1).map(Random)
MARSHALERS = st.sampled_from(["auto", "json", "protobuf"])


def arrival(topic: str, body: bytes) -> Arrival:
    return Arrival(source="chirpstack", topic=topic, body=body, received_at=NOW, receipt=None)


def told(poison: PoisonError) -> PoisonError:
    """A reason is words that can be stored."""
    assert poison.detail
    assert "\0" not in poison.detail
    return poison


def checked(topic: EventTopic, body: bytes, marshaler: Any) -> DeviceFact | PoisonError:
    """What a body becomes; a fact must be one for whoever reads it next."""
    came = arrival("", body)
    try:
        fact = identified(topic.event, parse_event(topic, came, marshaler), body)
    except PoisonError as poison:
        return told(poison)
    raw = msgspec.json.encode(fact)
    assert b"\0" not in raw
    assert message_id_of(topic.event, fact, came).isascii()
    subject = subject_for(topic.event, fact)
    assert subject.endswith(fact.dev_eui)
    if isinstance(fact, UplinkReceived):
        assert msgspec.json.encode(msgspec.json.decode(raw, type=UplinkReceived)) == raw
        assert isinstance(msgspec.json.decode(fact.object), dict | None)
    else:
        assert msgspec.json.decode(raw, type=type(fact)) == fact
        read_device_event(subject, raw)
    return fact


@pytest.mark.parametrize("event", EVENTS)
@given(dice=DICE, marshaler=MARSHALERS)
def test_altered_event_is_an_event_or_has_a_reason(event: EventName, dice: Random, marshaler: str) -> None:
    checked(EventTopic(event, APPLICATION_ID, eui(1)), hostile(dice, event, eui(1), NOW), marshaler)


@given(event=st.sampled_from(EVENTS), body=st.binary(max_size=400), marshaler=MARSHALERS)
def test_arbitrary_bytes_are_an_event_or_have_a_reason(event: EventName, body: bytes, marshaler: str) -> None:
    checked(EventTopic(event), body, marshaler)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)
FIELDS = sorted({field.json_name for message in MESSAGES.values() for field in message.DESCRIPTOR.fields})
INFO = st.fixed_dictionaries({"applicationId": st.just(APPLICATION_ID), "devEui": st.just(eui(1))})


@given(
    event=st.sampled_from(EVENTS),
    fields=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    info=st.one_of(INFO, JSON),
)
def test_arbitrary_json_is_an_event_or_has_a_reason(event: EventName, fields: dict[str, Any], info: Any) -> None:
    body = {**fields, "deviceInfo": info}
    try:
        raw = msgspec.json.encode(body)
    except (UnicodeEncodeError, OverflowError):
        return
    checked(EventTopic(event), raw, "json")


@given(
    topic=st.one_of(st.text(max_size=80), DICE.map(lambda dice: hostile_topic(dice, "up", eui(1)))),
    prefix=st.sampled_from(["eu868/", "a/b/", "application/"]),
)
def test_arbitrary_topic_is_of_an_event_or_has_a_reason(topic: str, prefix: str) -> None:
    for given_prefix in ("", prefix):
        try:
            topic_of = parse_topic(topic, given_prefix)
        except NotForUsError:
            continue
        except PoisonError as poison:
            told(poison)
            continue
        assert topic_of.event in EVENTS


@given(dice=DICE)
def test_the_same_dice_make_the_same_message(dice: Random) -> None:
    seed = dice.getrandbits(32)
    one, two = Random(seed), Random(seed)
    assert hostile(one, any_event(one), eui(1), NOW) == hostile(two, any_event(two), eui(1), NOW)


@pytest.mark.parametrize("decibels", [-(2**15), -1001, 1001, 2**15 - 1])
def test_what_the_ingestor_takes_from_a_radio_the_engine_takes_too(decibels: int) -> None:
    body = event_body(Random(1), "up", eui(1), NOW)
    body["rxInfo"] = [{"gatewayId": GATEWAY_ID, "rssi": decibels, "snr": float(decibels)}]
    assert isinstance(checked(EventTopic("up"), msgspec.json.encode(body), "json"), UplinkReceived)
