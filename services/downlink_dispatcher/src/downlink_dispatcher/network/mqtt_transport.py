"""Downlinks through ChirpStack's MQTT integration: `application/<id>/device/<devEui>/command/down`, QoS 1.

In: an `Item`. Out: its own id, which ChirpStack takes over from the command; the broker's PUBACK is all that is heard
of it until the device's events. A repeat does no harm while the first is queued: ChirpStack refuses the id. It also
refuses a device that is not in the topic's application, so nobody has to be asked whose device it is. The queue cannot
be emptied this way, and ChirpStack's complaints are in its log alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any, Literal
from uuid import UUID

import aiomqtt
import structlog
from chirpstack_api import integration  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf import json_format
from paho.mqtt.client import MQTT_ERR_SUCCESS

from downlink_dispatcher import metrics
from downlink_dispatcher.network.availability import Availability
from downlink_dispatcher.network.transport import DeviceDeniedError, EnqueueFailedError, Item
from downlink_dispatcher.settings import NetworkSettings
from parking_chassis.isolation import failure_of
from parking_chassis.tls import remedy_of

log = structlog.get_logger()

PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 20
REFUSED_FROM = 0x80
# What a broker answers to somebody who may not: by PUBACK reason, and by CONNACK reason or return code.
NOT_AUTHORIZED = 0x87
REMEDIES = {
    **dict.fromkeys((1, 132), "the broker does not speak this protocol version: set PARKSTREAM_MQTT_PROTOCOL"),
    **dict.fromkeys((4, 134), "user or password is wrong: correct PARKSTREAM_MQTT_URL"),
    **dict.fromkeys((5, 135), "this user may not connect: correct PARKSTREAM_MQTT_URL or the broker's access list"),
}


class _ConnectionLostError(Exception):
    """The connection ended before the PUBACK came."""


class MqttTransport:
    """A `Transport` over one broker. `run` belongs beside it."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.availability = Availability("mqtt", problem="mqtt: not connected yet")
        self._settings = settings
        self._tls = settings.mqtt_tls()
        self._deadline = settings.chirpstack_deadline_seconds
        self._client: aiomqtt.Client | None = None
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._is_silent = asyncio.Event()

    async def run(self) -> None:
        """Connect, stay connected, connect again, for ever."""
        while True:
            failure = await failure_of(self._hold_a_connection())
            if failure is not None and not isinstance(failure, aiomqtt.MqttError):
                log.error("mqtt_failed", exc_info=failure)
            self._note_lost(failure)
            await asyncio.sleep(self.availability.retry_seconds)

    async def enqueue(self, item: Item) -> str:
        """Publish the command and wait for the PUBACK; see `Transport`."""
        topic = topic_of(item, self._settings.mqtt_topic_prefix)
        self.availability.require()
        began, outcome = time.monotonic(), "away"
        try:
            reason = await self._publish(topic, command_of(item, self._settings.mqtt_marshaler))
            outcome = "ok" if reason < REFUSED_FROM else "refused"
        finally:
            metrics.NETWORK_CALLS.labels("command_down", outcome).inc()
            metrics.NETWORK_CALL_SECONDS.observe(time.monotonic() - began)
        if reason == NOT_AUTHORIZED:
            raise DeviceDeniedError(
                f"the broker does not let us command devices of application {item.application_id}: "
                "allow application/+/device/+/command/down in its access list"
            )
        if reason >= REFUSED_FROM:
            raise EnqueueFailedError(f"the broker refused the command with reason 0x{reason:02x}")
        return str(item.downlink_id)

    async def find(self, item: Item) -> str | None:
        """Nothing: a repeat under the same id does no harm."""
        self.availability.require()
        return None

    async def check(self) -> str | None:
        """What is wrong with the broker."""
        return self.availability.problem

    async def _publish(self, topic: str, payload: bytes) -> int:
        client = self._client
        if client is None:
            raise self.availability.lost("mqtt: not connected")
        # aiomqtt forgets the PUBACK's reason, which tells a command that was taken from one that was not.
        sent = client._client.publish(topic, payload, qos=1)  # noqa: SLF001
        if sent.rc != MQTT_ERR_SUCCESS:
            raise self.availability.lost("mqtt: the connection is gone")
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[sent.mid] = confirmed
        try:
            async with asyncio.timeout(self._deadline):
                return await confirmed
        except TimeoutError:
            self._is_silent.set()
            raise self.availability.lost(f"mqtt: no PUBACK within {self._deadline:g} s") from None
        except _ConnectionLostError:
            raise self.availability.lost("mqtt: the connection ended before the PUBACK") from None
        finally:
            self._waiting.pop(sent.mid, None)

    async def _hold_a_connection(self) -> None:
        """Until it ends, or until a PUBACK did not come: what swallows one may take a new connection."""
        client = make_client(self._settings, self._tls)
        client._client.on_publish = self._on_puback  # noqa: SLF001
        self._is_silent.clear()
        try:
            async with client:
                self._client = client
                self.availability.answered()
                ended = asyncio.create_task(_until_ended(client))
                silent = asyncio.create_task(self._is_silent.wait())
                try:
                    await asyncio.wait({ended, silent}, return_when=asyncio.FIRST_COMPLETED)
                    self._client = None
                finally:
                    ended.cancel()
                    silent.cancel()
        finally:
            self._client = None
            for confirmed in self._waiting.values():
                if not confirmed.done():
                    confirmed.set_exception(_ConnectionLostError())

    def _on_puback(self, _client: Any, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        confirmed = self._waiting.get(mid)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(int(getattr(reason, "value", 0)))

    def _note_lost(self, error: Exception | None) -> None:
        code = getattr(error, "rc", None)
        remedy = REMEDIES.get(getattr(code, "value", code))  # type: ignore[arg-type]  # anything else has none
        remedy = remedy or remedy_of(error, "PARKSTREAM_MQTT_TLS")
        if remedy is not None:
            self.availability.refused(f"mqtt: {error}; {remedy}")
        else:
            self.availability.lost(f"mqtt: {error or 'the connection ended'}")


async def _until_ended(client: aiomqtt.Client) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        async for _ in client.messages:  # nothing comes this way; it ends with the connection
            pass


def topic_of(item: Item, prefix: str) -> str:
    """Where ChirpStack takes commands to a device.

    Raises:
        DeviceDeniedError: The application's id is none of ChirpStack's; anything else could lead to another topic.
    """
    try:
        application_id = UUID(item.application_id)
    except ValueError:
        raise DeviceDeniedError(f"{item.application_id[:100]!r} is no application of ChirpStack's") from None
    return f"{prefix}application/{application_id}/device/{item.dev_eui}/command/down"


def command_of(item: Item, marshaler: Literal["json", "protobuf"]) -> bytes:
    """A command as ChirpStack reads it; versions that do not know when one expires pass that over."""
    command = integration.DownlinkCommand(
        id=str(item.downlink_id),
        dev_eui=item.dev_eui,
        confirmed=item.confirmed,
        f_port=item.f_port,
        data=item.payload,
    )
    command.expires_at.FromDatetime(item.expires_at)
    written: bytes = (
        command.SerializeToString() if marshaler == "protobuf" else json_format.MessageToJson(command).encode()
    )
    return written


def make_client(settings: NetworkSettings, tls: ssl.SSLContext | None) -> aiomqtt.Client:
    """A client of its own for every connection: what an earlier one sent is not sent again behind our back."""
    user, password = settings.mqtt_login
    return aiomqtt.Client(
        settings.mqtt_host,
        settings.mqtt_port,
        username=user,
        password=password,
        protocol=PROTOCOLS[settings.mqtt_protocol],
        keepalive=KEEPALIVE_SECONDS,
        timeout=CONNECT_SECONDS,
        tls_context=tls,
    )
