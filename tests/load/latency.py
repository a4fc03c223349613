"""How long a change of a space takes from the MQTT publish to a client of the event stream.

In: frames with the instants at which they are due. Out: one latency per frame that changes a space, in seconds. The
clock of a frame starts when it is due, not when it could be sent: a platform that slows the publisher down does not
look faster for it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from load.mqtt_sender import MqttSender
from load.running_platform import RunningPlatform
from load.street import TimedMessage
from parkstream.errors import OperatorError
from parkstream.gateway_client import GatewayClient
from parkstream.platform_access import broker_of

PATIENCE_SECONDS = 30.0
SHORTEST_SLEEP_SECONDS = 0.0005
CAUSE = re.compile(r'"cause":"([^"]*)"')


class Echoes:
    """The events of changes, as one client of the stream hears them; `seconds` holds a latency for each."""

    def __init__(self, platform: RunningPlatform, on_event: Callable[[], None]) -> None:
        self.seconds: list[float] = []
        self._platform = platform
        self._on_event = on_event
        self._due: dict[str, float] = {}
        self._opened = asyncio.Event()
        self._heard = asyncio.Event()

    async def publish(self, messages: Iterable[TimedMessage]) -> None:
        """Send each message when it is due."""
        async with MqttSender(broker_of(self._platform.connections), client_id="parkstream-bench") as sender:
            began = time.monotonic()
            for timed in messages:
                due = began + timed.due_seconds
                ahead = due - time.monotonic()
                if ahead > SHORTEST_SLEEP_SECONDS:
                    await asyncio.sleep(ahead)
                if timed.cause:
                    self._due[timed.cause] = due
                await sender.send(timed.message)
            await sender.drain()

    async def all_heard(self) -> None:
        """Wait until the event of every change that was published has come."""
        while self._due:
            self._heard.clear()
            await self._heard.wait()

    async def listen(self) -> None:
        """Hear events for ever."""
        async with (
            GatewayClient(self._platform.connections) as gateway,
            gateway.events("/api/v6/events?type=space.state_changed", "") as events,
        ):
            self._opened.set()
            async for event in events:
                now = time.monotonic()
                found = CAUSE.search(event.data)
                due = self._due.pop(found[1], None) if found is not None else None
                if due is not None:
                    self.seconds.append(now - due)
                    self._on_event()
                    self._heard.set()

    async def opened(self) -> None:
        """Wait until events are heard."""
        await self._opened.wait()

    def missing(self) -> int:
        """How many events have not come."""
        return len(self._due)


@asynccontextmanager
async def echoes(platform: RunningPlatform, on_event: Callable[[], None] = lambda: None) -> AsyncIterator[Echoes]:
    """Listen for the time of a measurement, and at its end for the last events.

    Raises OperatorError when an event does not come: a figure without it would be a lie.
    """
    heard = Echoes(platform, on_event)
    listener = asyncio.create_task(heard.listen())
    try:
        await _first(heard.opened(), listener)
        yield heard
        await _first(heard.all_heard(), listener)
    except TimeoutError:
        raise OperatorError(
            f"{heard.missing():,} changes had no event within {PATIENCE_SECONDS:.0f} s of the last publish."
        ) from None
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def measure_latency(
    platform: RunningPlatform, make: Callable[[int], Sequence[TimedMessage]], on_event: Callable[[], None]
) -> list[float]:
    """Publish what `make` gives for a beginning (ns since 1970), and wait for the event of each change; seconds."""
    async with echoes(platform, on_event) as heard:
        await heard.publish(make(time.time_ns()))
    return heard.seconds


async def _first(awaited: Coroutine[Any, Any, object], listener: asyncio.Task[None]) -> None:
    """Wait for something, but no longer than the listener lives (its failure is ours) and patience lasts."""
    waiting = asyncio.create_task(awaited)
    done, _ = await asyncio.wait({waiting, listener}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if listener in done:
        listener.result()
    elif not done:
        raise TimeoutError
