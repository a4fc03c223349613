"""The MQTT side: a session that the broker keeps, a connection that is always made again, one subscription.

In: settings. Out: an `Arrival` per PUBLISH, whose receipt sends the PUBACK. aiomqtt connects, subscribes and keeps the
connection alive; `paho_reading` reads. Every connection has a client of its own, because a packet id of the last one
would acknowledge another message on the next.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import msgspec
import structlog
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from parking_chassis.tls import remedy_of
from uplink_ingestor import metrics
from uplink_ingestor.ingest import Arrival
from uplink_ingestor.paho_reading import PahoReader
from uplink_ingestor.settings import IngestorSettings
from uplink_ingestor.topics import subscription

log = structlog.get_logger()

PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
LARGEST_PACKET_BYTES = 64 << 20
CONNECT_SECONDS = 5.0
RETRY_SECONDS = (0.5, 30.0)
REFUSED_SECONDS = (10.0, 60.0)
REFUSED_FROM = 0x80

# By CONNACK reason (MQTT 5) or return code (3.1.1).
REMEDIES = {
    1: "the broker does not speak this protocol version: set PARKSTREAM_MQTT_PROTOCOL to 3.1.1",
    132: "the broker does not speak this protocol version: set PARKSTREAM_MQTT_PROTOCOL to 3.1.1",
    2: "the broker does not accept the client id: set PARKSTREAM_MQTT_CLIENT_ID",
    133: "the broker does not accept the client id: set PARKSTREAM_MQTT_CLIENT_ID",
    4: "user or password is wrong: correct PARKSTREAM_MQTT_URL (reserved characters %-encoded)",
    134: "user or password is wrong: correct PARKSTREAM_MQTT_URL (reserved characters %-encoded)",
    5: "this user may not connect: correct PARKSTREAM_MQTT_URL or the broker's access list",
    135: "this user may not connect: correct PARKSTREAM_MQTT_URL or the broker's access list",
    138: "this client is banned by the broker",
}


class SubscriptionRefusedError(aiomqtt.MqttError):
    """The broker did not grant a subscription; no retry in a hurry changes that."""


class MqttReceipt(msgspec.Struct, frozen=True, gc=False):
    """One delivery on one connection."""

    connection: Connection
    packet_id: int

    @property
    def is_open(self) -> bool:
        """Whether the connection still is the one that delivered it."""
        return self.connection.is_open

    def acknowledge(self) -> None:
        """PUBACK, unless the connection is gone: then the broker delivers again."""
        if self.connection.is_open:
            self.connection.reader.acknowledge(self.packet_id)


class Connection:
    """One connection's reader, and whether its packet ids still mean anything."""

    def __init__(self, settings: IngestorSettings, take: Callable[[Arrival], None]) -> None:
        self._source = settings.source
        self._take = take
        self.is_open = True
        self.is_taking = True
        self.client = _make_client(settings)
        protocol = PROTOCOLS[settings.mqtt_protocol]
        paho = self.client._client  # noqa: SLF001  aiomqtt offers neither manual acknowledgement nor its reading
        self.reader = PahoReader(paho, self._on_publish, protocol=protocol, window=settings.mqtt_receive_maximum)

    def _on_publish(self, topic: bytes, payload: bytes, packet_id: int) -> None:
        if self.is_taking:
            receipt = MqttReceipt(self, packet_id) if packet_id else None
            self._take(Arrival(self._source, topic.decode(errors="replace"), payload, datetime.now(UTC), receipt))


class MqttReceiver:
    """Receives for ever; `problem` says why it does not at the moment, or None."""

    def __init__(self, settings: IngestorSettings, take: Callable[[Arrival], None]) -> None:
        self._settings = settings
        self._take = take
        self._connection: Connection | None = None
        self._failures = 0
        self.problem: str | None = "not connected yet"

    async def run(self) -> None:
        """Connect, receive until the connection ends, and start again, until cancelled."""
        while True:
            try:
                await self._receive()
            except aiomqtt.MqttError as error:
                pause = self._pause_after(error)
            finally:
                metrics.MQTT_CONNECTED.set(0)
                if self._connection is not None:
                    self._connection.is_open = False
            await asyncio.sleep(pause)

    def stop_taking(self) -> None:
        """Take nothing new; what comes from now on is not acknowledged, and waits in the broker's session."""
        if self._connection is not None:
            self._connection.is_taking = False

    async def check(self) -> str | None:
        """The health check."""
        return self.problem and f"mqtt: {self.problem}"

    async def _receive(self) -> None:
        settings = self._settings
        self._connection = connection = Connection(settings, self._take)
        async with connection.client as client:
            topics = subscription(settings.mqtt_topic_prefix, settings.mqtt_shared_group)
            answer = (await client.subscribe(topics, **_at_least_once(settings.mqtt_protocol)))[0]
            if getattr(answer, "value", answer) >= REFUSED_FROM:
                raise SubscriptionRefusedError(f"not allowed to subscribe to {topics}")
            self.problem = None
            self._failures = 0
            metrics.MQTT_CONNECTED.set(1)
            metrics.MQTT_CONNECTS.inc()
            log.info("mqtt_connected", host=settings.mqtt_host, port=settings.mqtt_port)
            async for _ in client.messages:  # nothing comes this way; it ends with the connection
                pass

    def _pause_after(self, error: aiomqtt.MqttError) -> float:
        """Full jitter, so that a city of clients does not come back at once; longer after a refusal."""
        metrics.MQTT_FAILURES.inc()
        remedy = None
        low, high = RETRY_SECONDS
        if isinstance(error, MqttConnectError):
            code = getattr(error.rc, "value", error.rc)
            remedy = REMEDIES.get(code) if isinstance(code, int) else None
        elif isinstance(error, SubscriptionRefusedError):
            remedy = "allow this user to read the events' topics in the broker's access list"
        else:
            remedy = remedy_of(error, "PARKSTREAM_MQTT_TLS")
        if remedy is not None:
            low, high = REFUSED_SECONDS
            log.error("mqtt_refused", host=self._settings.mqtt_host, reason=str(error), remedy=remedy)
        else:
            log.warning("mqtt_lost", host=self._settings.mqtt_host, reason=str(error), cause=repr(error.__cause__))
        self.problem = f"{error}; {remedy}" if remedy else str(error) or type(error).__name__
        ceiling = min(high, low * 2 ** min(self._failures, 10))
        self._failures += 1
        return random.uniform(low if remedy else 0.0, ceiling)  # noqa: S311  jitter, not a secret


def _make_client(settings: IngestorSettings) -> aiomqtt.Client:
    is_5 = settings.mqtt_protocol == "5"
    user, password = settings.mqtt_login
    return aiomqtt.Client(
        settings.mqtt_host,
        settings.mqtt_port,
        username=user,
        password=password,
        identifier=settings.mqtt_client_id,
        protocol=PROTOCOLS[settings.mqtt_protocol],
        clean_session=None if is_5 else False,
        clean_start=False if is_5 else MQTT_CLEAN_START_FIRST_ONLY,  # paho refuses any other value with 3.1.1
        properties=_session_properties(settings) if is_5 else None,
        keepalive=settings.mqtt_keepalive_seconds,
        timeout=CONNECT_SECONDS,
        tls_context=settings.mqtt_tls(),
    )


def _session_properties(settings: IngestorSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = settings.mqtt_session_expiry_seconds
    properties.ReceiveMaximum = settings.mqtt_receive_maximum
    properties.MaximumPacketSize = LARGEST_PACKET_BYTES
    return properties


def _at_least_once(protocol: str) -> dict[str, Any]:
    return {"options": SubscribeOptions(qos=1)} if protocol == "5" else {"qos": 1}
