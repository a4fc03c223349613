"""What a webhook connects to and how long it stays: one resolution, public addresses, TLS by name, bounded answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import pytest

from api_gateway.settings import WebhookSettings
from api_gateway.webhooks.addresses import IpAddress
from api_gateway.webhooks.outcomes import Answer
from api_gateway.webhooks.receivers import BODY_BYTES, Receivers
from stack.webhook_receiver import Receiver, Reply, make_certificate, receiving

BODY = b'{"type":"webhook.test"}'
PATIENT_SECONDS = 5.0


class Names:
    """A resolver under our control: each look-up gets the next list of addresses, and the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[IpAddress]:
        self.asked.append((host, port))
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if not answer:
            raise OSError("no such name")
        return [ip_address(text) for text in answer]


def settings(**changes: object) -> WebhookSettings:
    return WebhookSettings(
        **{"webhook_allowed_networks": ["127.0.0.0/8"], "webhook_attempt_seconds": PATIENT_SECONDS} | changes
    )


async def post(url: str, names: Names | None = None, **changes: object) -> Answer:
    receivers = Receivers(settings(**changes), names)
    try:
        return await receivers.post(url, {"webhook-id": "1"}, BODY)
    finally:
        await receivers.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


async def test_the_body_arrives_byte_for_byte_with_its_headers(receiver: Receiver) -> None:
    answer = await post(receiver.url)
    assert (answer.status, answer.error, answer.is_delivered) == (204, None, True)
    told = receiver.received[0]
    assert told.body == BODY
    assert told.headers["content-type"] == "application/json"
    assert told.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert told.headers["user-agent"].startswith("Parkstream/")
    assert not {"cookie", "authorization"} & told.headers.keys()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0"],
)
async def test_no_way_of_writing_our_own_address_leads_to_it(receiver: Receiver, host: str) -> None:
    answer = await post(f"http://{host}:{receiver.port}/", webhook_allowed_networks=())
    assert answer.error == "the host has no public address"
    assert receiver.connections == 0


async def test_a_name_that_changes_its_mind_gains_nothing(receiver: Receiver) -> None:
    """DNS rebinding: public when it is checked, ours when it is connected to. There is only one look-up."""
    allowed = {"webhook_allowed_networks": ["127.0.0.2/32"]}  # stands for the public address
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    first = await post(f"http://rebinding.example:{receiver.port}/", names, **allowed)
    assert names.asked == [("rebinding.example", receiver.port)]
    assert first.status is None  # nothing listens there, and nobody asked again
    second = await post(f"http://rebinding.example:{receiver.port}/", names, **allowed)
    assert second.error == "the host has no public address"
    assert receiver.connections == 0


async def test_of_several_addresses_only_the_permitted_ones_are_tried(receiver: Receiver) -> None:
    names = Names(["10.0.0.1", "169.254.169.254", "127.0.0.1"])
    assert (await post(f"http://mixed.example:{receiver.port}/", names)).status == 204
    assert receiver.received[0].headers["host"] == f"mixed.example:{receiver.port}"


async def test_the_next_address_is_tried_when_the_first_does_not_answer(receiver: Receiver) -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])  # nothing listens on the first one
    assert (await post(f"http://two.example:{receiver.port}/", names)).status == 204


async def test_an_unknown_name_is_a_failure_in_words(receiver: Receiver) -> None:
    answer = await post("http://nowhere.example/", Names([]))
    assert (answer.status, answer.error) == (None, "no connection: the name nowhere.example is not known")


async def test_tls_verifies_the_name_though_the_connection_goes_to_an_address(tmp_path, monkeypatch) -> None:
    tls, authority = make_certificate(tmp_path, "hooks.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with receiving(tls=tls) as receiver:
        names = Names(["127.0.0.1"])
        assert (await post(f"https://hooks.example:{receiver.port}/", names)).status == 204
        assert receiver.received[0].server_name == "hooks.example"
        wrong = await post(f"https://other.example:{receiver.port}/", names)
        assert wrong.status is None
        assert "certificate verify failed" in (wrong.error or "")
        monkeypatch.delenv("SSL_CERT_FILE")
        unknown = await post(f"https://hooks.example:{receiver.port}/", names)
        assert "certificate verify failed" in (unknown.error or "")
        assert len(receiver.received) == 1


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async with receiving(lambda _: Reply(302, {"location": receiver.url})) as sender_away:
        answer = await post(sender_away.url)
    assert (answer.status, answer.is_delivered) == (302, False)
    assert "redirects are not followed" in (answer.error or "")
    assert receiver.connections == 0


async def test_a_receiver_that_does_not_answer_is_left_in_time() -> None:
    async with receiving(lambda _: Reply(wait=asyncio.Event())) as silent:
        began = time.monotonic()
        answer = await post(silent.url, webhook_attempt_seconds=0.3)
    assert (answer.status, answer.error) == (None, "no answer within 0.3 s")
    assert time.monotonic() - began < 2


async def test_the_status_counts_though_the_body_never_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
    async with receiving(lambda _: Reply(raw=head + b"x" * 10)) as dripping:
        began = time.monotonic()
        answer = await post(dripping.url)
        assert answer.is_delivered
        assert time.monotonic() - began < PATIENT_SECONDS


async def test_of_a_large_answer_little_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        try:
            while written < 1_000_000_000:
                writer.write(b"x" * 65_536)
                await writer.drain()
                written += 65_536
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with server:
        answer = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert answer.is_delivered
    assert written < 100 << 20  # what the kernel's buffers took, not what was offered
    assert BODY_BYTES == 4096


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the answer is no HTTP"),
        (b"", "the answer is no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n", "the answer is no HTTP"),
    ],
)
async def test_an_answer_that_is_no_http_is_a_failure_in_words(raw: bytes, words: str) -> None:
    async def answer_badly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(answer_badly, "127.0.0.1", 0)
    async with server:
        answer = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert answer.status is None
    assert (answer.error or "").startswith(words)


async def test_retry_after_is_heard() -> None:
    async with receiving(lambda _: Reply(503, {"retry-after": "120"})) as busy:
        answer = await post(busy.url)
    assert (answer.status, answer.retry_after_seconds) == (503, 120.0)


async def test_connections_are_used_again(receiver: Receiver) -> None:
    receivers = Receivers(settings())
    for _ in range(5):
        assert (await receivers.post(receiver.url, {"webhook-id": "1"}, BODY)).is_delivered
    await receivers.close()
    assert (receiver.connections, len(receiver.received)) == (1, 5)


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch) -> None:
    async with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await post(receiver.url)).is_delivered
        assert proxy.connections == 0
