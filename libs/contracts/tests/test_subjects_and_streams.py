"""The bus as declared: each subject lands in exactly one stream, and acknowledged work is never thrown away."""

from uuid import UUID

import pytest

from parking_contracts import reservation, space, streams, subjects
from parking_contracts.errors import DeadLetterCode

TENANT, SPACE = UUID(int=1), UUID(int=2)
EUI = "70b3d57ed0061a2b"
PUBLISHED = {
    subjects.TICK: "UPLINKS",
    subjects.uplink(EUI): "UPLINKS",
    subjects.device("join", EUI): "DEVICES",
    subjects.device("txack", EUI): "DEVICES",
    subjects.space(TENANT, SPACE, "state_changed"): "SPACES",
    subjects.reservation(TENANT, SPACE, "opened"): "RESERVATIONS",
    subjects.ingress("up"): "INGRESS",
    subjects.dead_letter("occupancy_engine", DeadLetterCode.CODEC_FAILURE): "DEAD_LETTERS",
}
each_stream = pytest.mark.parametrize("stream", streams.STREAMS, ids=lambda stream: stream.name)


def matches(pattern: str, subject: str) -> bool:
    """NATS's own rule: `*` is one token, `>` one or more at the end."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(given) > position
        if position >= len(given) or token not in {"*", given[position]}:
            return False
    return len(wanted) == len(given)


def streams_of(subject: str) -> list[str]:
    return [stream.name for stream in streams.STREAMS if any(matches(each, subject) for each in stream.subjects)]


@pytest.mark.parametrize(("subject", "stream"), PUBLISHED.items())
def test_a_subject_lands_in_its_one_stream(subject: str, stream: str) -> None:
    assert streams_of(subject) == [stream]


def test_no_stream_captures_commands() -> None:
    assert streams_of(subjects.command("occupancy", "space.create")) == []


def test_every_pattern_of_every_stream_begins_at_the_versioned_root() -> None:
    patterns = [pattern for stream in streams.STREAMS for pattern in stream.subjects]
    assert all(pattern.startswith(f"{subjects.ROOT}.") for pattern in patterns)
    assert len(set(patterns)) == len(patterns)


def test_subjects_spell_the_grammar_out() -> None:
    assert subjects.uplink(EUI) == "parking.v1.uplink.70b3d57ed0061a2b"
    assert subjects.device("ack", EUI) == "parking.v1.device.ack.70b3d57ed0061a2b"
    assert subjects.space(TENANT, SPACE, "created") == f"parking.v1.space.{TENANT}.{SPACE}.created"
    assert subjects.reservation(TENANT, SPACE, "released") == f"parking.v1.reservation.{TENANT}.{SPACE}.released"
    assert subjects.dead_letter("uplink_ingestor", "oversize") == "parking.v1.dead.uplink_ingestor.oversize"
    assert subjects.command("occupancy", "site.create") == "parking.v1.command.occupancy.site.create"


def test_subjects_call_an_event_as_its_type_does() -> None:
    names = [subjects.event_of(name) for name in (space.EVENT_TYPES | reservation.EVENT_TYPES).values()]
    assert names[:4] == ["created", "updated", "deleted", "state_changed"]
    assert names[4:] == ["created", "updated", "opened", "checked_in", "obstructed", "overstayed", "released"]


def test_dead_letter_codes_are_single_subject_tokens() -> None:
    assert not [code for code in DeadLetterCode if not code.value.isidentifier()]


@each_stream
def test_acknowledged_input_is_refused_rather_than_discarded(stream: streams.Stream) -> None:
    holds_input = stream.name in {"INGRESS", "UPLINKS", "DEVICES"}
    assert (stream.discard == "new") == holds_input
    # UPLINKS is a limits stream that its one consumer purges (docs/decisions/0007).
    assert (stream.retention in {"work_queue", "interest"} or stream is streams.UPLINKS) == holds_input
    if holds_input:
        assert not stream.max_age_seconds


@each_stream
def test_every_stream_has_a_bound(stream: streams.Stream) -> None:
    assert stream.max_bytes > 0


@each_stream
def test_a_stream_whose_messages_need_a_consumer_has_one(stream: streams.Stream) -> None:
    if stream.retention in {"work_queue", "interest"}:
        assert stream.consumers
    if stream.retention == "work_queue":
        assert len(stream.consumers) == 1


def test_names_are_unique() -> None:
    names = [stream.name for stream in streams.STREAMS]
    assert len(set(names)) == len(names)
    for stream in streams.STREAMS:
        consumers = [consumer.name for consumer in stream.consumers]
        assert len(set(consumers)) == len(consumers)
