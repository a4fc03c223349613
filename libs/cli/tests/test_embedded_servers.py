"""The embedded servers survive what happens to processes: kills, orphans, pid files of the dead, half-made data."""

import os
from pathlib import Path

import asyncpg
import nats
import pytest

from parkstream.embedded import ports
from parkstream.embedded.nats import NatsPorts, NatsServer
from parkstream.embedded.postgres import PostgresServer
from parkstream.errors import OperatorError


async def run_sql(server: PostgresServer, sql: str):
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_before_a_kill(private_postgres: PostgresServer) -> None:
    await run_sql(private_postgres, "CREATE TABLE kept ()")
    private_postgres.kill()
    private_postgres.start()
    assert await run_sql(private_postgres, "SELECT to_regclass('kept')::text") == "kept"


async def test_postgres_ends_an_orphan_of_its_own_data_and_takes_over(private_postgres: PostgresServer) -> None:
    successor = PostgresServer(private_postgres.data_dir, ports.free_port(), durable=False)
    successor.start()
    try:
        assert private_postgres.process.poll() is not None
        assert await run_sql(successor, "SELECT 1") == 1
    finally:
        successor.stop()


@pytest.mark.parametrize("content", ["{pid}\n", "", "not a pid\n", "{pid}\n{cluster}\n1\n1\n\n\n 1 1\nready\n"])
async def test_postgres_believes_no_pid_file(private_postgres: PostgresServer, content: str) -> None:
    private_postgres.kill()
    stale = private_postgres.cluster / "postmaster.pid"
    stale.write_text(content.format(pid=os.getpid(), cluster=private_postgres.cluster))
    private_postgres.start()
    assert await run_sql(private_postgres, "SELECT 1") == 1


async def test_a_half_made_cluster_is_made_anew(private_postgres: PostgresServer) -> None:
    fresh = PostgresServer(private_postgres.data_dir / "other", ports.free_port(), durable=False)
    half_made = fresh.data_dir / "postgres.new-killed"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")
    fresh.start()
    try:
        assert not half_made.exists()
        assert await run_sql(fresh, "SHOW server_encoding") == "UTF8"
    finally:
        fresh.stop()


def test_a_cluster_of_another_version_is_refused(private_postgres: PostgresServer) -> None:
    private_postgres.stop()
    (private_postgres.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(OperatorError, match="was made by PostgreSQL 17; this is PostgreSQL 18"):
        private_postgres.start()


async def test_postgres_wants_its_password(private_postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://parkstream:wrong@127.0.0.1:{private_postgres.port}/parkstream")


def test_a_server_that_cannot_start_shows_the_end_of_its_log(private_postgres: PostgresServer) -> None:
    home = private_postgres.data_dir / "other"
    second = NatsServer(home, NatsPorts(private_postgres.port, ports.free_port()))
    with pytest.raises(OperatorError, match="address already in use"):
        second.start()


async def test_nats_keeps_what_it_acknowledged_before_a_kill(private_nats: NatsServer) -> None:
    client = await nats.connect(private_nats.login().url, allow_reconnect=False)
    context = client.jetstream()
    await context.add_stream(name="KEPT", subjects=["kept"])
    for _ in range(200):
        await context.publish("kept", b"x" * 992)
    private_nats.kill()
    await client.close()
    private_nats.start()
    client = await nats.connect(private_nats.login().url, allow_reconnect=False)
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 200
    await client.close()


def test_nats_ends_an_orphan_of_its_own_data_and_takes_over(private_nats: NatsServer) -> None:
    successor = NatsServer(private_nats.data_dir, private_nats.ports)
    successor.start()
    try:
        assert private_nats.process.poll() is not None
    finally:
        successor.stop()


def test_secrets_are_closed_to_others(private_postgres: PostgresServer, private_nats: NatsServer) -> None:
    for server in (private_postgres, private_nats):
        files = [*(server.data_dir / "secrets").iterdir(), *Path(server.data_dir).glob("nats/nats.conf")]
        assert files
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
