"""The contract with paho: our reading takes the same packets from the wire, however they are cut."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import _ConnectionState
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from stack.waiting import eventually
from uplink_ingestor.paho_reading import PahoReader

Taken = list[tuple[bytes, bytes, int]]


def length_of(count: int) -> bytes:
    encoded = bytearray()
    while True:
        count, digit = divmod(count, 128)
        encoded.append(digit | (0x80 if count else 0))
        if not count:
            return bytes(encoded)


def publish(topic: bytes, payload: bytes, packet_id: int, *, properties: bytes | None = None, flags: int = 0) -> bytes:
    body = struct.pack(">H", len(topic)) + topic
    if packet_id:
        body += struct.pack(">H", packet_id)
    if properties is not None:
        body += length_of(len(properties)) + properties
    body += payload
    return bytes([0x30 | flags | (0x02 if packet_id else 0)]) + length_of(len(body)) + body


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, brokers = socket.socketpair()
    ours.setblocking(False)
    yield ours, brokers
    ours.close()
    brokers.close()


def reader_on(
    ours: socket.socket, protocol: int = mqtt.MQTTv311, window: int = 1000
) -> tuple[PahoReader, mqtt.Client, Taken]:
    paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="test", protocol=protocol)
    paho._sock = ours
    taken: Taken = []
    reader = PahoReader(paho, lambda *packet: taken.append(packet), protocol=protocol, window=window)
    return reader, paho, taken


async def test_every_packet_of_one_recv_is_taken(wire):
    ours, brokers = wire
    _, paho, taken = reader_on(ours)
    packets = [(b"a/b", b"x" * size, number) for number, size in enumerate((0, 1, 126, 127, 128, 20_000), 1)]
    brokers.sendall(b"".join(publish(*packet) for packet in packets))
    while len(taken) < len(packets):
        assert paho.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert taken == packets


async def test_qos_0_has_no_packet_id(wire):
    ours, brokers = wire
    _, paho, taken = reader_on(ours)
    brokers.sendall(publish(b"a", b"x", 0))
    paho.loop_read()
    assert taken == [(b"a", b"x", 0)]


async def test_mqtt_5_properties_are_skipped(wire):
    ours, brokers = wire
    _, paho, taken = reader_on(ours, mqtt.MQTTv5)
    user_property = b"\x26" + struct.pack(">H", 100) + b"k" * 100 + struct.pack(">H", 100) + b"v" * 100
    brokers.sendall(publish(b"a", b"x", 1, properties=b"") + publish(b"a", b"y", 2, properties=user_property))
    paho.loop_read()
    assert taken == [(b"a", b"x", 1), (b"a", b"y", 2)]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.lists(st.integers(1, 300), min_size=1))
def test_cut_anywhere_the_packets_are_the_same(sizes: list[int], cuts: list[int]):
    async def read_it() -> None:
        ours, brokers = socket.socketpair()
        ours.setblocking(False)
        with ours, brokers:
            _, paho, taken = reader_on(ours)
            packets = [(b"topic", bytes([number]) * size, number) for number, size in enumerate(sizes, 1)]
            stream = b"".join(publish(*packet) for packet in packets)
            position = 0
            for cut in (*cuts, len(stream)):
                brokers.sendall(stream[position : position + cut])
                position += cut
                paho.loop_read()
            assert taken == packets

    asyncio.run(read_it())


async def test_packets_that_are_not_publishes_go_to_paho(wire):
    ours, brokers = wire
    _, paho, taken = reader_on(ours)
    granted: list[int] = []
    paho.on_subscribe = lambda _client, _data, packet_id, _codes, _properties: granted.append(packet_id)
    brokers.sendall(publish(b"a", b"x", 1) + b"\x90\x03\x00\x07\x01" + b"\xd0\x00" + publish(b"a", b"y", 2))
    paho.loop_read()
    assert granted == [7]
    assert [packet[2] for packet in taken] == [1, 2]


async def test_pubacks_of_one_turn_leave_together(wire):
    ours, brokers = wire
    reader, paho, _ = reader_on(ours)
    for packet_id in (1, 258, 65535):
        reader.acknowledge(packet_id)
    await asyncio.sleep(0)
    paho.loop_write()
    assert brokers.recv(100) == b"\x40\x02\x00\x01\x40\x02\x01\x02\x40\x02\xff\xff"


SUBACK = b"\x90\x03\x00\x07\x01"


async def test_what_exceeds_the_window_waits_in_the_socket_until_a_puback(wire):
    ours, brokers = wire
    reader, paho, taken = reader_on(ours, window=1)
    asyncio.get_running_loop().add_reader(ours.fileno(), paho.loop_read)  # as aiomqtt does

    brokers.sendall(SUBACK + publish(b"a", b"x", 1) + publish(b"a", b"x", 1) + publish(b"a", b"x", 0))
    await eventually(lambda: len(taken) == 3)  # a repetition is one message, and QoS 0 none
    brokers.sendall(publish(b"a", b"y", 2))
    await eventually(lambda: len(taken) == 4)
    brokers.sendall(publish(b"a", b"z", 3))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(taken) == 4

    reader.acknowledge(1)
    await eventually(lambda: taken[-1] == (b"a", b"z", 3))
    reader.acknowledge(2)
    reader.acknowledge(3)
    await asyncio.sleep(0)
    brokers.sendall(publish(b"a", b"x", 1))
    await eventually(lambda: len(taken) == 6)


async def test_a_suback_is_read_however_much_the_session_kept(wire):
    ours, brokers = wire
    _, paho, taken = reader_on(ours, window=1)
    granted: list[int] = []
    paho.on_subscribe = lambda _client, _data, packet_id, _codes, _properties: granted.append(packet_id)
    for number in range(1, 6):
        brokers.sendall(publish(b"a", b"x", number))
        paho.loop_read()
    brokers.sendall(SUBACK)
    paho.loop_read()
    assert (len(taken), granted) == (5, [7])


async def test_a_full_window_is_no_silence_of_the_broker(wire, monkeypatch):
    ours, brokers = wire
    reader, paho, _ = reader_on(ours, window=1)
    paho._state = _ConnectionState.MQTT_CS_CONNECTED
    asyncio.get_running_loop().add_reader(ours.fileno(), paho.loop_read)
    brokers.sendall(SUBACK + publish(b"a", b"x", 1) + publish(b"a", b"x", 2))
    await eventually(lambda: reader._is_waiting)

    for later in (100, 200, 300):  # far beyond the keep-alive of 60 s, and no answer is read
        monkeypatch.setattr("paho.mqtt.client.time_func", lambda later=later: time.monotonic() + later)
        assert paho.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS
        paho.loop_write()
    assert brokers.recv(100) == b"\xc0\x00" * 3


async def test_a_connection_that_ends_while_its_window_is_full_is_not_read_again(wire):
    ours, brokers = wire
    reader, paho, taken = reader_on(ours, window=1)
    brokers.sendall(SUBACK + publish(b"a", b"x", 1) + publish(b"a", b"x", 2))
    paho.loop_read()
    paho._sock = None
    reader.acknowledge(1)
    await asyncio.sleep(0)
    assert len(taken) == 2
    assert not asyncio.get_running_loop().remove_reader(ours.fileno())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x30\xff\xff\xff\xff\x01",
        publish(b"a", b"x", 1, flags=0x04),
        b"\x32\x03\x00\x09a",
        b"\x30\x02\x00\x00",
        b"\x32\x00",
    ],
)
async def test_what_mqtt_does_not_allow_ends_the_connection(wire, garbage: bytes):
    ours, brokers = wire
    _, paho, taken = reader_on(ours)
    brokers.sendall(garbage)
    assert paho.loop_read() == MQTTErrorCode.MQTT_ERR_PROTOCOL
    assert paho._sock is None
    assert taken == []


async def test_a_closed_connection_is_told_to_paho(wire):
    ours, brokers = wire
    _, paho, _ = reader_on(ours)
    ended: list[object] = []
    paho.on_disconnect = lambda *_: ended.append(True)
    brokers.close()
    assert paho.loop_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST
    await eventually(lambda: ended)
