"""What comes before a measurement: the spaces of a street are made, and every sensor joins and says hello.

In: a running platform and its street. Out: the number of messages that the sensors have sent. Everything goes the
way that it goes in the field: commands to the engine, and MQTT.
"""

from collections.abc import Iterable

from rich.console import Console

from load.mqtt_sender import MqttSender
from load.running_platform import RunningPlatform
from load.street import Street
from parking_simulator.rendering import Message
from parkstream.platform_access import broker_of, command_client, find_tenant
from parkstream.showing import provision_with_bar


async def settle_in(platform: RunningPlatform, street: Street, console: Console) -> int:
    """Make the spaces, and let every sensor say hello."""
    tenant_id = await find_tenant(platform.connections, None)
    async with command_client(platform.connections, tenant_id, "bench") as client:
        await provision_with_bar(console, client, street.city.fleet)
    messages = street.come_up()
    await publish_all(platform, messages)
    return len(messages)


async def publish_all(platform: RunningPlatform, messages: Iterable[Message]) -> None:
    """Hand over everything; done when the broker has acknowledged it."""
    async with MqttSender(broker_of(platform.connections), client_id="parkstream-bench") as sender:
        await sender.send_all(messages)
