"""What a killed process held comes again sooner than in the 30 s for which its consumers wait to be told."""

from nats.aio.client import Client

from parking_contracts.streams import STREAMS


async def redeliver_after(bus: Client, seconds: float, consumer: str) -> None:
    """For every stream that a service, which gives `consumer` its name, takes messages from."""
    jetstream = bus.jetstream()
    for stream in STREAMS:
        if any(one.name == consumer for one in stream.consumers):
            config = (await jetstream.consumer_info(stream.name, consumer)).config
            config.ack_wait = seconds
            await jetstream.add_consumer(stream.name, config)
