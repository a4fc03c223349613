"""An MQTT publisher that loses nothing: QoS 1, a window of publishes in flight, connected again for ever.

In: messages. Out: MQTT publishes. A message counts as done only once the broker has acknowledged it (PUBACK); what was
in flight when a connection broke is published again on the next one, so the broker may see it twice and never not at
all. aiomqtt keeps the connection; its paho client is used directly for publishing, because aiomqtt's own `publish`
holds a future per message (this way 10,000 a second go out from one core, rendering included). Both private
attributes of aiomqtt are touched in this file alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import deque
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec
import structlog
from paho.mqtt.client import Client

from parking_simulator.rendering import Message

log = structlog.get_logger()

DEFAULT_WINDOW: Final = 1_000
MOST_IN_FLIGHT: Final = 65_535
RECONNECT_SECONDS: Final = (0.2, 3.0)
MqttVersion = Literal["3.1.1", "5"]
_PROTOCOLS: Final = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where to publish, and as whom."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class BrokerRefusedError(Exception):
    """The first connection failed: nobody listens, or it will not have us. Later failures are retried for ever."""


def parse_broker(url: str) -> Broker:
    """Read `mqtt://user:password@host:port` (`mqtts://` for TLS). Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise ValueError("an MQTT URL looks like mqtt://user:password@host:1883, or mqtts:// for TLS")
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=parts.port or (8883 if tls else 1883),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=ssl.create_default_context() if tls else None,
    )


class Publisher:
    """Publish through `async with Publisher(broker) as publisher: await publisher.publish(message)`.

    `publish` waits only while `window` messages are unacknowledged; `drain` waits until none is.
    """

    def __init__(
        self, broker: Broker, *, client_id: str, version: MqttVersion = "3.1.1", window: int = DEFAULT_WINDOW
    ) -> None:
        self.broker = broker
        self.acknowledged = 0
        self.reconnects = 0
        self._client_id = client_id
        self._protocol = _PROTOCOLS[version]
        self._window = window
        self._allowed_in_flight = window
        self._unsent: deque[Message] = deque()
        self._in_flight: dict[int, Message] = {}
        self._client: Client | None = None
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        connected = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep_connected(connected))
        try:
            await connected
        except aiomqtt.MqttError as error:
            raise BrokerRefusedError(str(error)) from error
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker has not acknowledged yet."""
        return len(self._in_flight) + len(self._unsent)

    async def publish(self, message: Message) -> None:
        """Hand over one message; returns at once while the window has room."""
        while self.unacknowledged >= self._window:
            await self._wait_for_change()
        self._unsent.append(message)
        self._send_allowed()

    async def drain(self) -> None:
        """Wait until the broker has acknowledged everything, however often the connection breaks meanwhile."""
        while self.unacknowledged:
            await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _send_allowed(self) -> None:
        client = self._client
        while client is not None and self._unsent and len(self._in_flight) < self._allowed_in_flight:
            message = self._unsent.popleft()
            # A result other than success means that the connection is going down; the next one sends this again.
            self._in_flight[client.publish(message.topic, message.payload, qos=1).mid] = message

    def _on_publish(self, client: Client, _data: Any, mid: int, *_details: Any) -> None:
        if client is self._client and self._in_flight.pop(mid, None) is not None:
            self.acknowledged += 1
            self._send_allowed()
            self._changed.set()

    async def _keep_connected(self, connected: asyncio.Future[None]) -> None:
        pause = RECONNECT_SECONDS[0]
        while True:
            try:
                async with self._connection() as client:
                    pause = RECONNECT_SECONDS[0]
                    self._resume(client._client)  # noqa: SLF001  see _connection
                    if not connected.done():
                        connected.set_result(None)
                    async for _ in client.messages:  # none are subscribed to: this ends when the connection does
                        pass
            except aiomqtt.MqttError as error:
                if not connected.done():
                    connected.set_exception(error)
                    return
                self.reconnects += 1
                log.warning("mqtt_connection_lost", broker=str(self.broker), error=str(error))
            finally:
                self._client = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  jitter, not a secret
            pause = min(pause * 2, RECONNECT_SECONDS[1])

    def _connection(self) -> aiomqtt.Client:
        """A client of its own for each connection: message ids of the one before mean nothing to it."""
        version_5 = self._protocol is aiomqtt.ProtocolVersion.V5
        connection = aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.username,
            password=self.broker.password,
            identifier=self._client_id,
            protocol=self._protocol,
            tls_context=self.broker.tls,
            timeout=5,
            keepalive=15,
            clean_session=None if version_5 else True,
            max_inflight_messages=MOST_IN_FLIGHT,
        )
        client = connection._client  # noqa: SLF001  aiomqtt offers no publish without a future per message
        client.on_publish = self._on_publish
        client.on_connect = self._note_limit(client.on_connect)
        return connection

    def _note_limit(self, accept: Any) -> Any:
        """MQTT 5: what the broker takes in flight comes with its CONNACK; one more and it hangs up."""

        def on_connect(client: Client, data: Any, flags: Any, reason: Any, properties: Any = None) -> None:
            granted = getattr(properties, "ReceiveMaximum", MOST_IN_FLIGHT)
            self._allowed_in_flight = min(self._window, granted)
            accept(client, data, flags, reason, properties)

        return on_connect

    def _resume(self, client: Client) -> None:
        """Publish again, first of all, what the last connection left unacknowledged."""
        self._unsent.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()
        self._client = client
        self._send_allowed()
        self._changed.set()
