"""One PostgreSQL and one NATS per pytest worker; a fresh database and a fresh NATS account per test."""

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import asyncpg
import nats
import psutil
import pytest
from nats.aio.client import Client

from parkstream.embedded import ports
from parkstream.embedded.nats import SYNC_LATER, NatsPorts, NatsServer
from parkstream.embedded.postgres import PostgresServer
from parkstream.errors import OperatorError
from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack.own_logins import remember

TEMPLATE = "parkstream_template"
ACCOUNTS_PER_SERVER = 200
START_ATTEMPTS = 3
PREFIX = "parkstream-tests-"
Server = TypeVar("Server", PostgresServer, NatsServer)


def _own_ports() -> range:
    """Those of this pytest worker: what it has looked at and not yet bound is nobody else's."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = max(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), number + 1)
    return ports.CANDIDATES[number::workers]


ports.CANDIDATES = _own_ports()


def scratch_directory(label: str) -> Path:
    """A directory for servers: not pytest's tmp_path, which the account they run as cannot enter when root tests."""
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{label}-", dir="/var/tmp"))
    path.chmod(0o755)
    return path


def remove_abandoned_directories() -> None:
    """Clear what test runs left that were killed: the directory's name carries the pid of its run."""
    for path in Path("/var/tmp").glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def started(make: Callable[[], Server]) -> Server:
    """A running server; tried again with new ports when another process was quicker to take one."""
    for attempt in itertools.count(1):
        server = make()
        try:
            server.start()
        except OperatorError:
            if attempt == START_ATTEMPTS:
                raise
        else:
            if isinstance(server, NatsServer):
                remember(server)
            return server
    raise AssertionError("unreachable")


def make_postgres(directory: Path) -> PostgresServer:
    return PostgresServer(directory, ports.free_port(), durable=False)


def make_nats(directory: Path, accounts: int = 0) -> NatsServer:
    server_ports = NatsPorts(ports.free_port(), ports.free_port(), ports.free_port())
    return NatsServer(directory, server_ports, sync_interval=SYNC_LATER, accounts=accounts)


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    """Where this worker's servers keep their data until the session ends."""
    remove_abandoned_directories()
    path = scratch_directory(os.environ.get("PYTEST_XDIST_WORKER", "main"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A function that returns a free TCP port on loopback, another one each time."""
    return ports.free_port


@pytest.fixture(scope="session")
def postgres_server(stack_directory: Path) -> Iterator[PostgresServer]:
    """This worker's PostgreSQL. Tests share it: to stop or kill one, use `private_postgres`."""
    server = started(lambda: make_postgres(stack_directory))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database with every migration applied, to copy from."""

    async def make() -> None:
        connection = await asyncpg.connect(postgres_server.url)
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
        await migrate_database(on_database(postgres_server.url, TEMPLATE))

    asyncio.run(make())
    return TEMPLATE


def on_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


_database_numbers = itertools.count(1)


@pytest.fixture
async def database(postgres_server: PostgresServer, migrated_template: str) -> AsyncIterator[str]:
    """The superuser's URL of a fresh, migrated database; dropped after the test with whoever is connected."""
    async for url in fresh_database(postgres_server, migrated_template):
        yield url


@pytest.fixture
async def empty_database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The superuser's URL of a fresh database without any migration."""
    async for url in fresh_database(postgres_server, "template1"):
        yield url


async def fresh_database(server: PostgresServer, template: str) -> AsyncIterator[str]:
    name = f"test_{next(_database_numbers)}"
    connection = await asyncpg.connect(server.url)
    try:
        # FILE_COPY takes 20 ms here, the default (through the WAL) 80.
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield on_database(server.url, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@dataclass
class NatsAccount:
    """A NATS account of its own: streams, consumers, subjects and MQTT sessions are invisible to other tests.

    The URLs are its operator's, who may do everything.
    """

    url: str
    mqtt_url: str
    monitor_url: str
    _clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        """A connected nats-py client, closed after the test."""
        client = await nats.connect(self.url, allow_reconnect=False, max_reconnect_attempts=1)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@dataclass
class NatsPool:
    """Hands out accounts, starting another server when one has none left (an account is never used twice)."""

    directory: Path
    servers: list[NatsServer] = field(default_factory=list)
    handed_out: int = 0

    def account(self) -> NatsAccount:
        number = self.handed_out % ACCOUNTS_PER_SERVER
        if number == 0:
            home = self.directory / f"nats-{len(self.servers)}"
            self.servers.append(started(lambda: make_nats(home, ACCOUNTS_PER_SERVER)))
        self.handed_out += 1
        server = self.servers[-1]
        login = server.login(number)
        return NatsAccount(login.url, login.mqtt_url, server.monitor_url)

    def end(self) -> None:
        """Without farewell: closing hundreds of accounts in order takes a server seconds, and nobody needs the data."""
        for server in self.servers:
            server.kill()


@pytest.fixture(scope="session")
def nats_pool(stack_directory: Path) -> Iterator[NatsPool]:
    """This worker's NATS servers. Tests share them: to stop or kill one, use `private_nats`."""
    pool = NatsPool(stack_directory)
    yield pool
    pool.end()


@pytest.fixture
async def empty_nats_account(nats_pool: NatsPool) -> AsyncIterator[NatsAccount]:
    """A fresh NATS account without any stream."""
    account = nats_pool.account()
    yield account
    await account.close()


@pytest.fixture
async def nats_account(empty_nats_account: NatsAccount) -> NatsAccount:
    """A fresh NATS account with the streams and consumers that `parkstream migrate` makes."""
    await apply_streams(empty_nats_account.url)
    return empty_nats_account


@pytest.fixture(scope="session")
def pristine_cluster(stack_directory: Path) -> Path:
    """The data directory of a PostgreSQL that has never run, to copy from: initdb takes half a second."""
    server = make_postgres(stack_directory / "pristine")
    server.prepare()
    return server.data_dir


@pytest.fixture
def private_postgres(pristine_cluster: Path) -> Iterator[PostgresServer]:
    """A running PostgreSQL of this test alone: `kill()`, `stop()`, `start()` as you like; not migrated."""
    directory = scratch_directory("postgres")
    subprocess.run(["cp", "-a", f"{pristine_cluster}/.", directory], check=True)  # ownership included
    server = started(lambda: make_postgres(directory))
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def owners_url(private_postgres: PostgresServer) -> str:
    """A database of this test alone whose owner is no superuser, as a managed PostgreSQL gives it; not migrated."""
    connection = await asyncpg.connect(private_postgres.url)
    await connection.execute("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'landlord'")
    await connection.execute("CREATE DATABASE owned OWNER landlord")
    await connection.close()
    address = private_postgres.url.rpartition("@")[2].rpartition("/")[0]
    return f"postgresql://landlord:landlord@{address}/owned"


@pytest.fixture
def private_nats() -> Iterator[NatsServer]:
    """A running NATS of this test alone: `kill()`, `stop()`, `start()` as you like; it has no streams."""
    directory = scratch_directory("nats")
    server = started(lambda: make_nats(directory))
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)
