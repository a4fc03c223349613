"""What a proxy does to a connection, between a real client and a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from chaos.mqtt_tap import MqttTap
from chaos.proxy import Mode, Proxy


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says everything once more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[Proxy]:
    async with Proxy(echo) as proxy:
        yield proxy


class Line:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, text: bytes, within: float = 5) -> bytes:
        self.writer.write(text)
        return await asyncio.wait_for(self.reader.readexactly(len(text)), within)


@pytest.fixture
async def call(proxy: Proxy) -> AsyncIterator[Callable]:
    lines: list[Line] = []

    async def connect() -> Line:
        lines.append(Line(*await asyncio.open_connection("127.0.0.1", proxy.port)))
        return lines[-1]

    yield connect
    for line in lines:
        line.writer.close()


async def test_bytes_pass(call: Callable) -> None:
    assert await (await call()).ask(b"hello") == b"hello"


async def test_latency_is_added_both_ways_and_taken_away_again(call: Callable, proxy: Proxy) -> None:
    line, loop = await call(), asyncio.get_running_loop()
    proxy.set_mode(Mode.LATENCY, latency_seconds=0.5)
    began = loop.time()
    await line.ask(b"hello")
    assert loop.time() - began >= 1.0
    proxy.set_mode(Mode.PASS)
    began = loop.time()
    await line.ask(b"hello")
    assert loop.time() - began < 1.0


async def test_a_black_hole_answers_nothing_and_loses_nothing(call: Callable, proxy: Proxy) -> None:
    line = await call()
    await line.ask(b"before")
    proxy.set_mode(Mode.BLACK_HOLE)
    with pytest.raises(TimeoutError):
        await line.ask(b"during", 0.2)
    another = await call()
    with pytest.raises(TimeoutError):
        await another.ask(b"connected, and no more", 0.2)
    proxy.set_mode(Mode.PASS)
    assert await asyncio.wait_for(line.reader.readexactly(6), 5) == b"during"
    assert await asyncio.wait_for(another.reader.readexactly(22), 5) == b"connected, and no more"


async def test_a_reset_ends_connections_and_lets_none_in_until_it_is_over(call: Callable, proxy: Proxy) -> None:
    line = await call()
    await line.ask(b"before")
    proxy.set_mode(Mode.RESET)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await line.ask(b"during")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await (await call()).ask(b"during")
    proxy.set_mode(Mode.PASS)
    assert await (await call()).ask(b"after") == b"after"


async def test_a_server_that_is_away_ends_the_connection(free_port: Callable[[], int]) -> None:
    async with Proxy(free_port()) as proxy:
        line = Line(*await asyncio.open_connection("127.0.0.1", proxy.port))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await line.ask(b"anybody?")
        line.writer.close()


def mqtt(kind: int, flags: int, body: bytes) -> bytes:
    """A control packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)[0], rest % 128
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def publish(packet_id: int, event: str, padding: int = 0) -> bytes:
    body = b'{"deduplicationId":"%s","x":"%s"}' % (event.encode(), b"x" * padding)
    return mqtt(3, 0b0010, b"\x00\x03a/b" + packet_id.to_bytes(2, "big") + body)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_the_tap_notes_what_was_delivered_and_acknowledged_however_the_bytes_are_cut(chunk: int) -> None:
    taken: set[str] = set()
    tap = MqttTap(taken.add)
    down = mqtt(2, 0, b"\x00\x00") + publish(1, "one") + publish(2, "two", 300) + publish(3, "three", 20_000)
    up = mqtt(1, 0, b"hello") + mqtt(4, 0, b"\x00\x03") + mqtt(4, 0, b"\x00\x01\x00\x00")
    for stream, hear in ((down, tap.down), (up, tap.up)):
        for start in range(0, len(stream), chunk):
            hear(stream[start : start + chunk])
    assert taken == {"one", "three"}


def test_the_tap_notes_what_a_broker_acknowledged_to_who_publishes() -> None:
    noted: list[str] = []
    tap = MqttTap(noted.append, publishes_up=True)
    tap.up(publish(1, "one") + publish(2, "two"))
    assert noted == []
    tap.down(mqtt(4, 0, b"\x00\x02"))
    assert noted == ["two"]


def test_the_tap_notes_what_was_delivered_though_nobody_acknowledged_it() -> None:
    taken: list[str] = []
    delivered: list[str] = []
    tap = MqttTap(taken.append, on_published=delivered.append)
    tap.down(publish(1, "one") + publish(2, "two"))
    tap.up(mqtt(4, 0, b"\x00\x02"))
    assert (delivered, taken) == (["one", "two"], ["two"])


@pytest.mark.parametrize(
    ("suback", "times"),
    [(b"\x00\x01\x01", 1), (b"\x00\x01\x00\x01", 1), (b"\x00\x01\x80", 0), (b"\x00\x01\x00\x87", 0)],
    ids=["3.1.1", "5", "3.1.1, refused", "5, refused"],
)
def test_the_tap_notes_a_subscription_when_it_is_granted(suback: bytes, times: int) -> None:
    noted: list[bool] = []
    tap = MqttTap(lambda _: None, on_subscribed=lambda: noted.append(True))
    tap.up(mqtt(8, 0b0010, b"\x00\x01\x00\x01#\x01"))
    tap.down(mqtt(2, 0, b"\x01\x00") + publish(1, "of the resumed session's queue"))
    assert noted == []
    tap.down(mqtt(9, 0, suback))
    assert len(noted) == times
