"""Which server of a cluster is tried next: one that has not failed, and soon; a lone one is given time."""

from urllib.parse import urlparse

from nats.aio.client import Server

from parking_chassis.nats_connection import NEXT_SERVER_SECONDS, RECONNECT_SECONDS, next_server

TRIES = 100


def server(name: str, failures: int) -> Server:
    return Server(uri=urlparse(f"nats://{name}:4222"), reconnects=failures)


def test_one_that_has_not_failed_is_tried_at_once():
    servers = [server("nats-1", 3), server("nats-2", 0), server("nats-3", 0)]
    tried = [next_server(servers, {}) for _ in range(TRIES)]
    assert {one.uri.hostname for one, _ in tried} == {"nats-2", "nats-3"}
    assert max(pause for _, pause in tried) <= NEXT_SERVER_SECONDS[1]


def test_when_all_have_failed_each_gets_its_turn_and_time():
    servers = [server("nats-1", 3), server("nats-2", 2), server("nats-3", 3)]
    tried = [next_server(servers, {}) for _ in range(TRIES)]
    assert {one.uri.hostname for one, _ in tried} == {"nats-2"}
    assert NEXT_SERVER_SECONDS[1] < max(pause for _, pause in tried) <= RECONNECT_SECONDS[1]


def test_a_lone_server_is_given_time_from_the_beginning():
    assert max(next_server([server("nats", 0)], {})[1] for _ in range(TRIES)) > NEXT_SERVER_SECONDS[1]
