"""The double's MQTT integration: events go out, commands and other people's uplinks come in.

A connection that breaks is made again for ever; what was to be published waits for it. Events leave with QoS 1, and
commands are taken with it; uplinks are listened to with QoS 0, as somebody else answers for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Final

import aiomqtt
import structlog

from parking_simulator.chirpstack import commands
from parking_simulator.chirpstack_events import Event, encode_json, topic
from parking_simulator.publisher import Broker, MqttVersion, Publisher, parse_broker
from parking_simulator.rendering import Message

log = structlog.get_logger()

UPLINKS: Final = "application/+/device/+/event/up"
PROTOCOLS: Final = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
RECONNECT_SECONDS: Final = 0.5
LAST_WORDS_SECONDS: Final = 1.0

TakeMessage = Callable[[str, bytes], None]


class MqttSide:
    """One integration at one broker; `on_command` and `on_uplink` get topic and body."""

    def __init__(self, url: str, version: MqttVersion, on_command: TakeMessage, on_uplink: TakeMessage) -> None:
        self._broker: Broker = parse_broker(url)
        self._version: MqttVersion = version
        self._on_command = on_command
        self._on_uplink = on_uplink
        self._name = f"chirpstack-double-{uuid.uuid4().hex[:8]}"
        self._unsent: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._publisher: Publisher | None = None

    async def start(self) -> None:
        """Connect; returns once commands are subscribed to. Raises BrokerRefusedError."""
        self._publisher = await Publisher(self._broker, client_id=self._name, version=self._version).__aenter__()
        subscribed = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._pump(self._publisher)),
            asyncio.create_task(self._listen(subscribed)),
        ]
        await subscribed.wait()

    async def stop(self) -> None:
        """Say the last words, if the broker listens, and hang up."""
        publisher = self._publisher
        if publisher is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._unsent.join()
                await publisher.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await publisher.__aexit__(None, None, None)
        self._publisher = None

    def publish(self, event: Event) -> None:
        """Hand over an event; it is sent when the connection stands."""
        self._unsent.put_nowait(Message(topic(event), encode_json(event)))

    async def drain(self) -> None:
        """Wait until the broker has acknowledged everything handed over so far."""
        await self._unsent.join()
        if self._publisher is not None:
            await self._publisher.drain()

    async def _pump(self, publisher: Publisher) -> None:
        while True:
            message = await self._unsent.get()
            await publisher.publish(message)
            self._unsent.task_done()

    async def _listen(self, subscribed: asyncio.Event) -> None:
        while True:
            try:
                async with aiomqtt.Client(
                    self._broker.host,
                    self._broker.port,
                    username=self._broker.username,
                    password=self._broker.password,
                    identifier=f"{self._name}-in",
                    protocol=PROTOCOLS[self._version],
                ) as client:
                    await client.subscribe(commands.SUBSCRIPTION, qos=1)
                    await client.subscribe(UPLINKS, qos=0)
                    subscribed.set()
                    async for message in client.messages:
                        self._take(str(message.topic), bytes(message.payload or b""))
            except aiomqtt.MqttError as error:
                log.warning("mqtt_connection_lost", broker=str(self._broker), error=str(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    def _take(self, name: str, body: bytes) -> None:
        if name.endswith("/event/up"):
            self._on_uplink(name, body)
        else:
            self._on_command(name, body)
