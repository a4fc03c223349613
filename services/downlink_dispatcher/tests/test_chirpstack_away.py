"""A ChirpStack that is away, slow, answers rubbish or refuses the key: nothing fails, everything waits, it heals."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from chirpstack_api import api
from grpc import aio

from downlink_dispatcher.network.availability import Availability
from downlink_dispatcher.network.chirpstack import ChirpStack
from downlink_dispatcher.network.grpc_transport import GrpcTransport
from downlink_dispatcher.network.token import Token, TokenError
from downlink_dispatcher.network.transport import NetworkAwayError
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from stack.chirpstack import StartChirpStack, network_of
from stack.network_client import Synced, connected, item_for, network_settings, transport_to
from stack.waiting import eventually

KEY = "a-good-key"


@pytest.fixture
async def double(chirpstack: StartChirpStack) -> ChirpStackDouble:
    return await chirpstack(network_of(Busylight), mqtt=None, token=KEY)


def display_of(double: ChirpStackDouble) -> str:
    return next(iter(double.network.devices))


async def away_because(transport: GrpcTransport, attempt: Any) -> str:
    """What the operator is told; who sent it learns no more than that it waits."""
    with pytest.raises(NetworkAwayError, match="this waits until it") as away:
        await attempt
    assert away.value.retry_seconds > 0
    assert "127.0.0.1" not in str(away.value)
    return await transport.check() or ""


async def test_who_is_away_is_waited_for_and_back_by_itself(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double))
    async with transport_to(double) as transport:
        await transport.enqueue(item)
        await double.stop()
        assert "cannot be reached" in await away_because(transport, transport.enqueue(item))
        assert "cannot be reached" in (await transport.check() or "")
        await double.start()
        await eventually(lambda: is_well(transport), 10)
        await transport.enqueue(item)
    assert len(double.enqueued) == 2


async def test_one_that_was_never_there_delays_no_start(double: ChirpStackDouble) -> None:
    await double.stop()
    async with transport_to(double) as transport:
        await eventually(transport.check)
        await double.start()
        await eventually(lambda: is_well(transport), 10)


async def test_who_is_slow_is_away(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double))
    async with transport_to(double, chirpstack_deadline_seconds=1.5) as transport:
        await transport.enqueue(item)
        double.faults.delay_seconds = 5.0
        assert "did not answer within 1.5 s" in await away_because(transport, transport.enqueue(item))
        double.faults.delay_seconds = 0.0
        await eventually(lambda: is_well(transport), 10)


async def test_rubbish_is_nobodys_failed_attempt(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double))
    async with transport_to(double) as transport:
        await transport.enqueue(item)
        double.faults.answer_rubbish = True
        assert "no ChirpStack, or a broken one" in await away_because(transport, transport.find(item))
        double.faults.answer_rubbish = False
        await eventually(lambda: is_well(transport), 10)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway"])
async def test_a_web_server_is_no_chirpstack(status: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with connected(network_settings(url, chirpstack_token=KEY)) as chirpstack:
        problem = await eventually(lambda: chirpstack.availability.problem)
        assert url in problem
    server.close()


async def test_a_refused_key_is_told_with_its_remedy_and_a_new_one_taken_from_the_file(
    double: ChirpStackDouble, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("forged\n")
    item = item_for(display_of(double))
    async with transport_to(double, chirpstack_token="", chirpstack_token_file=file) as transport:
        problem = await eventually(transport.check)
        assert "refuses our API token" in problem
        assert str(file) in problem
        assert await away_because(transport, transport.enqueue(item)) == problem
        file.write_text(f"{KEY}\n")
        await eventually(lambda: is_well(transport), 5)
        await transport.enqueue(item)


async def test_a_key_that_is_rotated_in_time_is_never_missed(double: ChirpStackDouble, tmp_path: Path) -> None:
    file, item = tmp_path / "token", item_for(display_of(double))
    file.write_text(KEY)
    async with transport_to(double, chirpstack_token="", chirpstack_token_file=file) as transport:
        await transport.enqueue(item)
        double.tokens.clear()
        double.tokens.add("the-next-key")
        replaced = tmp_path / "next"
        replaced.write_text("the-next-key")
        replaced.replace(file)
        await transport.enqueue(item)
        assert await transport.check() is None


class Refusing(api.DeviceServiceServicer, api.DeviceProfileServiceServicer):
    """Refuses everybody, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def refuse(self, _request: Any, context: Any) -> None:
        self.calls += 1
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidSignature")

    Get = Enqueue = GetQueue = ListAdrAlgorithms = refuse


@pytest.fixture
async def refusing() -> AsyncIterator[tuple[Refusing, str]]:
    servicer, server = Refusing(), aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    api.add_DeviceServiceServicer_to_server(servicer, server)
    api.add_DeviceProfileServiceServicer_to_server(servicer, server)
    await server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_who_refuses_our_key_is_not_hammered(refusing: tuple[Refusing, str]) -> None:
    servicer, url = refusing
    chirpstack = ChirpStack(network_settings(url, chirpstack_token=KEY))
    transport = GrpcTransport(chirpstack, Synced())
    for _ in range(5):
        attempts = [transport.enqueue(item_for(f"{number:016x}")) for number in range(20)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {NetworkAwayError}
    assert servicer.calls == 21  # the first twenty were under way together, and one question settled it
    assert 29 < chirpstack.availability.retry_seconds <= 60
    await chirpstack.close()


async def is_well(transport: GrpcTransport) -> bool:
    return await transport.check() is None


def test_pauses_grow_to_half_a_minute_and_start_again_after_an_answer() -> None:
    availability = Availability("chirpstack")
    longest = 0.0
    for failure in range(12):
        availability._retry_at = 0.0  # the pause before is over
        availability.lost("gone")
        assert 0.9 < availability.retry_seconds <= min(30, 2**failure)
        longest = max(longest, availability.retry_seconds)
    assert longest > 4
    availability.answered()
    availability.require()
    availability.lost("gone")
    assert availability.retry_seconds <= 1


def test_calls_that_fail_together_are_one_failure() -> None:
    availability = Availability("chirpstack")
    for _ in range(50):
        availability.lost("gone")
    assert availability.retry_seconds <= 1


@pytest.mark.parametrize("text", ["", " \n", "zwölf", "two\nlines", "x" * 9000])
def test_what_is_no_token_is_never_sent(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    for token in (Token(text, None), Token("", file)):
        with pytest.raises(TokenError, match="PARKSTREAM_CHIRPSTACK_TOKEN"):
            token.read()


def test_a_token_file_goes_before_the_setting_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = Token("fixed", file)
    with pytest.raises(TokenError, match="No such file"):
        token.read()
    file.write_text("first\n")
    assert token.read() == "first"
    file.write_text("second")
    assert token.reread_if_changed()
    assert token.read() == "second"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(TokenError, match="it is no text"):
        token.read()
