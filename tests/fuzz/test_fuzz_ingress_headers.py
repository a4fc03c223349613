"""Headers of INGRESS as nobody should write them: what is unusable is replaced, because the body must not be lost."""

import asyncio
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from parking_chassis.pull_consumer import Delivery
from parking_contracts import ingress
from uplink_ingestor.ingress import IngressReceipt, arrival_of

NAMES = (ingress.SOURCE, ingress.RECEIVED_AT, ingress.TOPIC, ingress.REPLAY, ingress.ENCODING, ingress.APPLICATION)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(str.encode),
    st.sampled_from(
        [
            b"",
            b"chirpstack",
            b"a" * 200,
            b"2026-07-22T16:00:00+00:00",
            b"2026-07-22",
            b"0001-01-01T00:00:00+14:00",
            b"9999-12-31T23:59:59-14:00",
            b"7",
            b"-1",
            b"9" * 30,
            "\u00b2".encode(),
            b"json",
            b"application/a/device/0101010101010101/event/up",
        ]
    ),
)


@given(
    headers=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8),
    noise=st.binary(max_size=40),
    subject=st.one_of(st.just(b"parking.v1.ingress.up"), st.binary(max_size=40)),
)
def test_any_headers_make_an_arrival(headers: list[tuple[str, bytes]], noise: bytes, subject: bytes) -> None:
    block = b"NATS/1.0\r\n" + b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers) + noise
    delivery = Delivery(b"{}", block, b"$JS.ACK.INGRESS.uplink_ingestor.1.7.7.1753200000000000000.0", subject)
    before = datetime.now(UTC)
    arrival = arrival_of(delivery, IngressReceipt(delivery, asyncio.Queue()))
    assert arrival.body == b"{}"
    assert arrival.source.isascii()
    assert 1 <= len(arrival.source) <= 100
    assert arrival.received_at.tzinfo is not None
    assert arrival.replay is None or 0 <= arrival.replay < 10**9
    assert arrival.marshaler in {None, "json", "protobuf"}
    if not any(name == ingress.RECEIVED_AT for name, _ in headers) and not noise:
        assert before <= arrival.received_at <= datetime.now(UTC)
