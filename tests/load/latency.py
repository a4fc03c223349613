"""How long a change of a space takes from the MQTT publish to a client of the event stream.

In: frames with the instants at which they are due. Out: one latency per frame that changes a space, in seconds. The
clock of a frame starts when it is due, not when it could be sent: a platform that slows the publisher down does not
look faster for it.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Sequence
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


async def measure_latency(
    platform: RunningPlatform, make: Callable[[int], Sequence[TimedMessage]], on_event: Callable[[], None]
) -> list[float]:
    """Publish what `make` gives for a beginning (ns since 1970), and wait for the event of each change; seconds.

    Raises OperatorError when an event does not come: a figure without it would be a lie.
    """
    arrivals: dict[str, float] = {}
    opened = asyncio.Event()
    everything = asyncio.Event()
    expected: set[str] = set()

    async def listen() -> None:
        async with (
            GatewayClient(platform.connections) as gateway,
            gateway.events("/api/v6/events?type=space.state_changed", "") as events,
        ):
            opened.set()
            async for event in events:
                now = time.monotonic()
                found = CAUSE.search(event.data)
                if found is None or found[1] not in expected:
                    continue
                arrivals.setdefault(found[1], now)
                on_event()
                if len(arrivals) == len(expected):
                    everything.set()
                    return

    listener = asyncio.create_task(listen())
    try:
        await _first(opened.wait(), listener)
        messages = make(time.time_ns())
        expected |= {message.cause for message in messages if message.cause}
        began = await _publish(platform, messages)
        await _first(everything.wait(), listener)
    except TimeoutError:
        raise OperatorError(
            f"{len(expected) - len(arrivals):,} of {len(expected):,} changes had no event within "
            f"{PATIENCE_SECONDS:.0f} s of the last publish."
        ) from None
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
    return [arrivals[message.cause] - began - message.due_seconds for message in messages if message.cause]


async def _first(awaited: Coroutine[Any, Any, object], listener: asyncio.Task[None]) -> None:
    """Wait for something, but no longer than the listener lives (its failure is ours) and patience lasts."""
    waiting = asyncio.create_task(awaited)
    done, _ = await asyncio.wait({waiting, listener}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if listener in done:
        listener.result()
    elif not done:
        raise TimeoutError


async def _publish(platform: RunningPlatform, messages: Sequence[TimedMessage]) -> float:
    """Send each message when it is due; the monotonic time of the beginning."""
    async with MqttSender(broker_of(platform.connections), client_id="parkstream-bench") as sender:
        began = time.monotonic()
        for timed in messages:
            ahead = began + timed.due_seconds - time.monotonic()
            if ahead > SHORTEST_SLEEP_SECONDS:
                await asyncio.sleep(ahead)
            await sender.send(timed.message)
        await sender.drain()
    return began
