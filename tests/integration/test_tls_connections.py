"""Every connection over TLS, by settings alone: well with the right authority, and with a remedy for a wrong one."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import httpx
import pytest
import structlog
from nats.aio.client import Client

from parking_chassis.nats_connection import connect_nats
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.settings import DatabaseSettings, NatsSettings
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.streams import apply_streams
from parkstream.streams import connect as connect_as_operator
from stack.authority import Authority
from stack.brokers import Mosquitto
from stack.own_logins import remember
from stack.servers import started
from stack.services import RunService
from stack.tls_servers import TlsNats, postgres_over_tls
from stack.waiting import eventually

HEALTHCHECK = Path(__file__).resolve().parents[2] / "deploy" / "healthcheck.py"
TOPIC = "application/ca739e26/device/0101010101010101/event/up"


@pytest.fixture(scope="module")
def secure_nats(stack_directory: Path, authorities: tuple[Authority, Authority]) -> Iterator[TlsNats]:
    """A NATS that wants TLS and certificates of clients."""
    server = started(lambda: TlsNats(stack_directory / "secure", authorities[0], verify=True))
    remember(server)
    yield server
    server.kill()


@pytest.fixture
def nats_tls(authorities: tuple[Authority, Authority]) -> dict[str, str]:
    """The settings by which NATS lets one in."""
    issued = authorities[0].issue("client")
    return {
        "PARKSTREAM_NATS_TLS_CA": str(authorities[0].ca),
        "PARKSTREAM_NATS_TLS_CERTIFICATE": str(issued.certificate),
        "PARKSTREAM_NATS_TLS_KEY": str(issued.key),
    }


@pytest.fixture
async def operator(secure_nats: TlsNats, nats_tls: dict[str, str]) -> AsyncIterator[Client]:
    """The command line's connection, which the environment tells of TLS."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in nats_tls.items():
            environment.setenv(name, value)
        await apply_streams(secure_nats.url())
        client = await connect_as_operator(secure_nats.url())
    yield client
    await client.close()


async def test_an_event_reaches_jetstream_by_tls_alone(
    secure_nats: TlsNats,
    operator: Client,
    nats_tls: dict[str, str],
    mosquitto: Mosquitto,
    authorities: tuple[Authority, Authority],
    run_service: RunService,
) -> None:
    server, client = authorities[0].issue("broker"), authorities[0].issue("mqtt-client")
    mosquitto.stop()
    files = f"certfile {server.certificate}\nkeyfile {server.key}\ncafile {authorities[0].ca}\n"
    mosquitto._configuration += f"{files}require_certificate true\n"
    mosquitto.start()
    await run_service(
        "uplink_ingestor",
        {
            **nats_tls,
            "PARKSTREAM_NATS_URL": secure_nats.url(),
            "PARKSTREAM_MQTT_URL": f"mqtts://localhost:{mosquitto.port}",
            "PARKSTREAM_MQTT_TLS_CA": str(authorities[0].ca),
            "PARKSTREAM_MQTT_TLS_CERTIFICATE": str(client.certificate),
            "PARKSTREAM_MQTT_TLS_KEY": str(client.key),
        },
    )
    context = ssl.create_default_context(cafile=authorities[0].ca)
    context.load_cert_chain(client.certificate, client.key)
    async with aiomqtt.Client("localhost", mosquitto.port, tls_context=context) as chirpstack:
        await chirpstack.publish(TOPIC, b"not an uplink", qos=1)

    async def set_aside() -> bool:
        return (await operator.jetstream().stream_info("DEAD_LETTERS")).state.messages == 1

    await eventually(set_aside)


async def test_commands_events_the_database_and_health_by_tls_alone(
    secure_nats: TlsNats,
    operator: Client,
    nats_tls: dict[str, str],
    database: str,
    authorities: tuple[Authority, Authority],
    run_service: RunService,
) -> None:
    assert operator.is_connected
    issued = authorities[0].issue("localhost")
    place = urlsplit(database)
    async with postgres_over_tls(place.port or 0, issued) as port:
        service = await run_service(
            "reservation_service",
            {
                **nats_tls,
                "PARKSTREAM_NATS_URL": secure_nats.url(),
                "PARKSTREAM_DATABASE_URL": place._replace(
                    netloc=f"{place.username}:{place.password}@localhost:{port}"
                ).geturl(),
                "PARKSTREAM_DATABASE_TLS_CA": str(authorities[0].ca),
                "PARKSTREAM_HEALTH_TLS_CERTIFICATE": str(issued.certificate),
                "PARKSTREAM_HEALTH_TLS_KEY": str(issued.key),
            },
            ready=False,
        )
        context = ssl.create_default_context(cafile=authorities[0].ca)
        url = service.url.replace("http://127.0.0.1", "https://localhost")
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:

            async def is_ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get(f"{url}/ready")).status_code == 200
                return False

            await eventually(is_ready, 30)
        service.end()


async def test_the_gateway_serves_https(
    service_env: dict[str, str], authorities: tuple[Authority, Authority], run_service: RunService
) -> None:
    issued = authorities[0].issue("api")
    served = {
        "PARKSTREAM_HTTP_TLS_CERTIFICATE": str(issued.certificate),
        "PARKSTREAM_HTTP_TLS_KEY": str(issued.key),
    }
    service = await run_service("api_gateway", {**service_env, **served}, ready=False)
    url = service.url.replace("http://127.0.0.1", "https://localhost")
    trusted, strange = (ssl.create_default_context(cafile=authority.ca) for authority in authorities)
    async with (
        httpx.AsyncClient(verify=trusted, trust_env=False) as client,
        httpx.AsyncClient(verify=strange, trust_env=False) as stranger,
    ):

        async def is_live() -> bool:
            with contextlib.suppress(httpx.ConnectError):
                return (await client.get(f"{url}/live")).status_code == 200
            return False

        await eventually(is_live, 30)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.get(f"{url}/live")
    asking = [sys.executable, str(HEALTHCHECK), f"{url.replace('localhost', '127.0.0.1')}/live"]
    assert (await asyncio.to_thread(subprocess.run, asking, capture_output=True)).returncode == 0


# nats-py and asyncpg leave the socket of a failed handshake to the garbage collector.
leaves_sockets = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


async def given_up(connecting: asyncio.Task[Client]) -> None:
    """nats-py, between two attempts, takes note of the second cancellation at the latest."""
    while not connecting.done():
        connecting.cancel()
        await asyncio.wait([connecting], timeout=0.1)


@leaves_sockets
async def test_a_wrong_authority_of_nats_is_told_with_its_remedy(
    secure_nats: TlsNats, authorities: tuple[Authority, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = NatsSettings(nats_url=secure_nats.url(), nats_tls_ca=authorities[1].ca)
    with structlog.testing.capture_logs() as logs:
        connecting = asyncio.create_task(connect_nats(settings, name="uplink_ingestor"))
        # More than once: it keeps trying, and heals when the certificate does.
        told = await eventually(lambda: [line for line in logs if "remedy" in line][1:])
        await given_up(connecting)
    assert "set PARKSTREAM_NATS_TLS_CA to the PEM file of the authority that signed it" in told[0]["remedy"]
    monkeypatch.setenv("PARKSTREAM_NATS_TLS_CA", str(authorities[1].ca))
    with pytest.raises(OperatorError) as refused:
        await connect_as_operator(secure_nats.url())
    assert "PARKSTREAM_NATS_TLS_CA" in refused.value.remedy


@leaves_sockets
async def test_a_server_that_greets_in_the_clear_never_gets_the_password() -> None:
    received = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"auth_required":true}\r\n')
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                received.extend(data)
                writer.write(b"-ERR 'Unknown Protocol Operation'\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    settings = NatsSettings(nats_url=f"tls://user:hunter2@localhost:{server.sockets[0].getsockname()[1]}")
    with structlog.testing.capture_logs() as logs:
        connecting = asyncio.create_task(connect_nats(settings, name="uplink_ingestor"))
        told = await eventually(lambda: [line for line in logs if "remedy" in line])
        await given_up(connecting)
    server.close()
    assert "handshake_first: auto" in told[0]["remedy"]
    assert received
    assert b"hunter2" not in received
    assert b"CONNECT" not in received


@leaves_sockets
async def test_a_wrong_authority_of_postgresql_is_told_with_its_remedy(
    database: str, authorities: tuple[Authority, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = urlsplit(database)
    async with postgres_over_tls(place.port or 0, authorities[0].issue("postgres")) as port:
        url = place._replace(netloc=f"{place.username}:{place.password}@localhost:{port}").geturl()
        wrong = await open_pool(
            DatabaseSettings(database_url=url, database_tls_ca=authorities[1].ca), role="api_gateway"
        )
        problem = await database_check(wrong)
        await wrong.close()
        assert problem is not None
        assert "set PARKSTREAM_DATABASE_TLS_CA to the PEM file of the authority that signed it" in problem
        monkeypatch.setenv("PARKSTREAM_DATABASE_TLS_CA", str(authorities[1].ca))
        with pytest.raises(OperatorError) as refused:
            await connect_database(url)
        assert "PARKSTREAM_DATABASE_TLS_CA" in refused.value.remedy
        monkeypatch.setenv("PARKSTREAM_DATABASE_TLS_CA", str(authorities[0].ca))
        connection = await connect_database(url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_where_tls_is_insisted_on_a_database_without_it_is_refused(
    database: str, authorities: tuple[Authority, Authority]
) -> None:
    settings = DatabaseSettings(database_url=database, database_tls_ca=authorities[0].ca)
    pool = await open_pool(settings, role="api_gateway")
    assert "rejected SSL upgrade" in str(await database_check(pool))
    await pool.close()
