"""Messages read from a stream with three replicas: whichever of them answers, none that was stored is missed."""

import nats

from api_gateway.stored_messages import read_page
from parking_contracts.streams import SPACES
from parkstream.streams import apply_streams
from stack.nats_cluster import NatsCluster

MESSAGES = 200
SUBJECT = "parking.v1.space.tenant.space.changed"


async def test_what_was_just_stored_is_read_from_every_node(nats_cluster: NatsCluster) -> None:
    await apply_streams(nats_cluster.url, (SPACES,), replicas=3)
    clients = [await nats.connect(url) for url in nats_cluster.url.split(",")]
    try:
        for number in range(1, MESSAGES + 1):
            stored = await clients[0].jetstream().publish(SUBJECT, b"%d" % number)
            for client in clients:
                page = await read_page(client, SPACES.name, sequence=stored.seq, subject=SUBJECT, limit=10)
                assert [one.data for one in page] == [b"%d" % number]
    finally:
        for client in clients:
            await client.close()
