"""Whether a durable consumer has taken everything that a stream holds.

By what it has acknowledged, not by what is pending: NATS counts that a little after it has acknowledged the publisher.
"""

from nats.aio.client import Client

from stack.waiting import eventually


async def has_caught_up(bus: Client, stream: str, consumer: str) -> bool:
    """Whether everything that is in the stream now is acknowledged."""
    last = (await bus.jetstream().stream_info(stream)).state.last_seq
    floor = (await bus.jetstream().consumer_info(stream, consumer)).ack_floor
    return floor is not None and floor.stream_seq >= last


async def caught_up(bus: Client, stream: str, consumer: str, within: float = 10) -> None:
    """Wait for it."""
    await eventually(lambda: has_caught_up(bus, stream, consumer), within)
