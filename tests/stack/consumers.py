"""Waiting for a durable consumer to have taken everything that a stream holds."""

from nats.aio.client import Client

from stack.waiting import eventually


async def caught_up(bus: Client, stream: str, consumer: str, within: float = 10) -> None:
    """Wait until the consumer has acknowledged what is in the stream now.

    Not until nothing is pending: NATS counts that a little after it has acknowledged the publisher.
    """
    jetstream = bus.jetstream()
    last = (await jetstream.stream_info(stream)).state.last_seq

    async def has_taken_all() -> bool:
        floor = (await jetstream.consumer_info(stream, consumer)).ack_floor
        return floor is not None and floor.stream_seq >= last

    await eventually(has_taken_all, within)
