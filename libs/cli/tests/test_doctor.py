"""`parkstream doctor` finds what is wrong, names the remedy, and is content with a platform that is well."""

from collections.abc import AsyncIterator

import asyncpg

from parkstream.checks import Finding
from parkstream.checks.broker import check_broker
from parkstream.checks.bus import check_bus
from parkstream.checks.database import check_database
from parkstream.checks.services import check_services
from parkstream.doctor import examine
from parkstream.settings import read_settings
from stack.servers import NatsAccount


async def by_name(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return {finding.what: finding async for finding in findings}


async def test_a_migrated_database_is_well_but_for_its_fsync(database: str) -> None:
    found = await by_name(check_database(database))
    assert {what for what, finding in found.items() if not finding.well} == {"durability"}
    assert found["roles"].state == "all 8 can be taken"


async def test_an_empty_database_wants_its_migrations(empty_database: str) -> None:
    found = await by_name(check_database(empty_database))
    assert found["migrations"].remedy == "Run: parkstream migrate"


async def test_a_changed_migration_is_told(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE parkstream.migrations SET sha256 = '' WHERE name LIKE '0001%'")
    await connection.close()
    found = await by_name(check_database(database))
    assert "changed afterwards: 0001" in found["migrations"].state


async def test_streams_are_compared_with_their_declarations(nats_account: NatsAccount) -> None:
    found = await by_name(check_bus(nats_account.url, nats_account.monitor_url))
    assert found["NATS"].well
    assert found["streams"].well
    assert found["sync"].remedy == "Set sync_interval: always"
    client = await nats_account.connect()
    await client.jetstream().delete_stream("DEVICES")
    await client.jetstream().update_stream(name="SPACES", subjects=["elsewhere.>"], max_age=60)
    found = await by_name(check_bus(nats_account.url, None))
    assert found["streams"].state == "missing or different: DEVICES, SPACES"
    assert found["streams"].remedy == "Run: parkstream migrate"
    assert found["sync"].well


async def test_a_broker_is_known_by_its_version_and_its_refusal(nats_account: NatsAccount, mosquitto) -> None:
    assert "MQTT 3.1.1" in (await by_name(check_broker(nats_account.mqtt_url)))["MQTT broker"].state
    assert (await by_name(check_broker(mosquitto.url)))["MQTT broker"].state.endswith("MQTT 5")
    wrong_user = (await by_name(check_broker(nats_account.mqtt_url.replace("//t", "//x", 1))))["MQTT broker"]
    assert "PARKSTREAM_MQTT_URL" in wrong_user.remedy


async def test_what_does_not_run_is_said_for_each_alike(free_port, monkeypatch, tmp_path) -> None:
    port = free_port()
    monkeypatch.setenv("PARKSTREAM_DATABASE_URL", f"postgresql://u:secret@127.0.0.1:{port}/x")
    monkeypatch.setenv("PARKSTREAM_NATS_URL", f"nats://u:secret@127.0.0.1:{port}")
    monkeypatch.setenv("PARKSTREAM_MQTT_URL", f"mqtt://u:secret@127.0.0.1:{port}")
    findings = await examine(read_settings())
    wrong = {finding.what for finding in findings if not finding.well}
    assert {"PostgreSQL", "NATS", "MQTT broker"} <= wrong
    assert "secret" not in str(findings)


async def test_a_service_without_an_answer_is_named(free_port) -> None:
    port = free_port()
    found = await by_name(check_services({"occupancy_engine": port}))
    assert found["occupancy_engine"].state == f"no answer on port {port} (ConnectError)"
    assert "parkstream up" in found["occupancy_engine"].remedy
