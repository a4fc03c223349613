"""An MQTT publisher that costs as little as it can, since it runs beside what it measures.

In: messages. Out: QoS 1 publishes of MQTT 3.1.1, at most a window of them unacknowledged. Nothing is repeated: a lost
connection ends the benchmark. The simulator's own publisher, which survives one, takes ten times the CPU.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Self

from parking_simulator.publisher import Broker
from parking_simulator.rendering import Message
from parkstream.errors import OperatorError

WINDOW = 1_000
AT_A_TIME = 250
PUBLISH_QOS_1 = 0x32
PUBACK_BYTES = 4
CONNACK = 0x20
ANSWER_SECONDS = 60.0


class MqttSender(asyncio.Protocol):
    """Use as `async with MqttSender(broker, client_id="...") as sender: await sender.send_all(messages)`."""

    def __init__(self, broker: Broker, *, client_id: str) -> None:
        self._broker = broker
        self._hello = _connect(client_id, broker.username, broker.password)
        self._received = b""
        self._packet_id = 0
        self._changed = asyncio.Event()
        self._is_open = False
        self._transport: asyncio.WriteTransport
        self.sent = 0
        self.acknowledged = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_connection(lambda: self, self._broker.host, self._broker.port)
            self._transport.write(self._hello)
            await self._until(lambda: self._is_open)
        except OSError as error:
            raise OperatorError(f"The MQTT broker cannot be reached: {error}.") from error
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._transport.close()

    async def send(self, message: Message) -> None:
        """Hand over one message; waits only while the window is full."""
        if self.sent - self.acknowledged >= WINDOW:
            await self._until(lambda: self.sent - self.acknowledged < WINDOW)
        self._transport.write(self._publish(message))

    async def send_all(self, messages: Iterable[Message]) -> None:
        """Send everything as fast as the broker takes it, and wait until it has acknowledged all."""
        waiting: list[bytes] = []
        for message in messages:
            waiting.append(self._publish(message))
            if len(waiting) == AT_A_TIME:
                self._transport.writelines(waiting)
                waiting.clear()
                await self._until(lambda: self.sent - self.acknowledged <= WINDOW - AT_A_TIME)
        self._transport.writelines(waiting)
        await self.drain()

    async def drain(self) -> None:
        """Wait until the broker has acknowledged everything."""
        await self._until(lambda: self.sent == self.acknowledged)

    def data_received(self, data: bytes) -> None:
        """CONNACK once, then PUBACKs alone, of four bytes each."""
        self._received += data
        if not self._is_open and len(self._received) >= PUBACK_BYTES:
            if self._received[0] != CONNACK or self._received[3] != 0:
                self._transport.close()
                return
            self._is_open, self._received = True, self._received[PUBACK_BYTES:]
        count, rest = divmod(len(self._received), PUBACK_BYTES)
        self.acknowledged += count
        self._received = self._received[len(self._received) - rest :]
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits must not wait for ever."""
        self._changed.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            if self._transport.is_closing():
                raise OperatorError(f"The MQTT broker at {self._broker} has ended the publisher's connection.")
            self._changed.clear()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                raise OperatorError(f"The MQTT broker has acknowledged nothing for {ANSWER_SECONDS:.0f} s.") from None

    def _publish(self, message: Message) -> bytes:
        self._packet_id = self._packet_id % 0xFFFF + 1
        self.sent += 1
        body = b"%b%b%b" % (_text(message.topic), self._packet_id.to_bytes(2, "big"), message.payload)
        return b"%c%b%b" % (PUBLISH_QOS_1, _length(len(body)), body)


def _connect(client_id: str, username: str | None, password: str | None) -> bytes:
    """A clean session without keep-alive."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + bytes((4, flags, 0, 0)) + _text(client_id)
    body += b"".join(_text(text) for text in (username, password) if text is not None)
    return b"\x10" + _length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(number: int) -> bytes:
    """MQTT's variable length: seven bits a byte, least significant first."""
    encoded = bytearray()
    while True:
        number, seven = divmod(number, 128)
        encoded.append(seven | (128 if number else 0))
        if not number:
            return bytes(encoded)
