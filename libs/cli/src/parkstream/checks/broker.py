"""The MQTT broker: whether it lets us in and lets us subscribe, and which version of MQTT it speaks."""

import uuid
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

import aiomqtt

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
            remedy = "Check PARKSTREAM_MQTT_URL, user and password, and that the broker runs"
            yield Finding("MQTT broker", f"{place}: {refused}", remedy)
        else:
            yield Finding("MQTT broker", f"{place}, MQTT 3.1.1 (ChirpStack needs 5: give it a Mosquitto or EMQX)")
    else:
        yield Finding("MQTT broker", f"{place}, MQTT 5")


async def _subscribe(mqtt_url: str, version: aiomqtt.ProtocolVersion) -> None:
    url = urlsplit(mqtt_url)
    tls = url.scheme in {"mqtts", "ssl"}
    async with aiomqtt.Client(
        url.hostname or "",
        url.port or (8883 if tls else 1883),
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        identifier=f"parkstream-doctor-{uuid.uuid4().hex[:8]}",
        protocol=version,
        timeout=TIMEOUT_SECONDS,
        tls_params=aiomqtt.TLSParameters() if tls else None,
    ) as client:
        await client.subscribe(PROBE_TOPIC, qos=1)
