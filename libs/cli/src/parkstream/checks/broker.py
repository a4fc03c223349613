"""The MQTT broker: whether it lets us in and lets us subscribe, and which version of MQTT it speaks."""

import uuid
from collections.abc import AsyncIterator

import aiomqtt

from parking_chassis.settings import MqttSettings
from parking_chassis.tls import remedy_of
from parkstream.checks import Finding

PROBE_TOPIC = "parkstream/doctor"
TIMEOUT_SECONDS = 5.0


async def check_broker(mqtt_url: str) -> AsyncIterator[Finding]:
    """One finding about the broker at this URL."""
    place = mqtt_url.rpartition("@")[2].removeprefix("mqtt://")
    try:
        await _subscribe(mqtt_url, aiomqtt.ProtocolVersion.V5)
    except aiomqtt.MqttError as refused:
        try:
            await _subscribe(mqtt_url, aiomqtt.ProtocolVersion.V311)
        except aiomqtt.MqttError:
            remedy = remedy_of(refused, "PARKSTREAM_MQTT_TLS") or (
                "Check PARKSTREAM_MQTT_URL, user and password, and that the broker runs"
            )
            yield Finding("MQTT broker", f"{place}: {refused}", remedy)
        else:
            yield Finding("MQTT broker", f"{place}, MQTT 3.1.1 (ChirpStack needs 5: give it a Mosquitto or EMQX)")
    else:
        yield Finding("MQTT broker", f"{place}, MQTT 5")


async def _subscribe(mqtt_url: str, version: aiomqtt.ProtocolVersion) -> None:
    settings = MqttSettings(mqtt_url=mqtt_url)
    user, password = settings.mqtt_login
    async with aiomqtt.Client(
        settings.mqtt_host,
        settings.mqtt_port,
        username=user,
        password=password,
        identifier=f"parkstream-doctor-{uuid.uuid4().hex[:8]}",
        protocol=version,
        timeout=TIMEOUT_SECONDS,
        tls_context=settings.mqtt_tls(),
    ) as client:
        await client.subscribe(PROBE_TOPIC, qos=1)
