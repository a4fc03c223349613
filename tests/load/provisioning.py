"""What comes before a measurement: the spaces of a street are made, and every sensor joins and says hello.

In: a running platform and its street. Out: the number of uplinks that the sensors have sent. They come by MQTT as in
the field; the spaces by commands or, for a large city, set-wise.
"""

from collections.abc import Iterable

import msgspec
from rich.console import Console

from load.filling import insert_fleet
from load.mqtt_sender import MqttSender
from load.running_platform import RunningPlatform
from load.street import Street
from parking_simulator.rendering import Message
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import broker_of, command_client, find_tenant
from parkstream.showing import provision_with_bar


async def settle_in(platform: RunningPlatform, street: Street, console: Console, *, at_once: bool = False) -> int:
    """Make the spaces (`at_once`: in the database), and let every sensor say hello; how many uplinks that were."""
    tenant_id = await find_tenant(platform.connections, None)
    fleet = street.city.fleet
    async with command_client(platform.connections, tenant_id, "bench") as client:
        by_command = msgspec.structs.replace(fleet, spaces=[]) if at_once else fleet
        await provision_with_bar(console, client, by_command)
    if at_once:
        database = await connect_database(platform.connections.database_url)
        try:
            await insert_fleet(database, tenant_id, fleet)
        finally:
            await database.close()
    await publish_all(platform, street.come_up())
    return len(street.voices)


async def publish_all(platform: RunningPlatform, messages: Iterable[Message]) -> None:
    """Hand over everything; done when the broker has acknowledged it."""
    async with MqttSender(broker_of(platform.connections), client_id="parkstream-bench") as sender:
        await sender.send_all(messages)
