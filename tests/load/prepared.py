"""A platform ready to be measured: started, with its spaces made, every sensor heard once, and at rest.

In: broker and size. Out: how its progress is seen (`Drain`), and who speaks (`Street`). All of it ends with the
context; what the platform's absence or refusal raises comes out in plain words.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from rich.console import Console

from load.drain import Drain, drain_of
from load.provisioning import settle_in
from load.running_platform import Broker, running_platform
from load.street import Street
from parkstream.platform_access import plain_words


@asynccontextmanager
async def prepared(
    broker: Broker, spaces: int, uplink_bytes: int, console: Console, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Drain, Street]]:
    """Start it with the shipped settings, or others where they are given (environment variables)."""
    with plain_words(), console.status(f"starting a platform ({broker})") as status:
        async with running_platform(mosquitto=broker is Broker.MOSQUITTO, settings=settings) as platform:
            async with drain_of(platform) as drain:
                status.stop()
                street = Street(spaces, uplink_bytes=uplink_bytes)
                await drain.rest(await settle_in(platform, street, console, at_once=True))
                yield drain, street
            status.update("ending the platform")
            status.start()
