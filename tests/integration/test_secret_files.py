"""Secrets from files: one mechanism for all of them, errors that say what to do, and nothing that shows a secret."""

import asyncio
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from api_gateway.settings import Settings as GatewaySettings
from downlink_dispatcher.settings import Settings as DispatcherSettings
from occupancy_engine.settings import EngineSettings
from parking_chassis.postgres import database_check, open_pool
from parking_chassis.secret_files import SecretFileError, is_secret
from parking_chassis.settings import DatabaseSettings, MqttSettings, NatsSettings
from parking_chassis.tls import TlsFileError, client_context, server_files
from parkstream.embedded import ports
from parkstream.errors import OperatorError
from parkstream.settings import StackSettings, read_settings
from reservation_service.settings import Settings as ReservationSettings
from stack.http_client import http_client
from stack.servers import NatsAccount
from stack.services import RunService
from stack.waiting import eventually
from uplink_ingestor.settings import IngestorSettings

NOBODY = 65534
CANARY = "kanarienvogel-7d1f"
ALL = (GatewaySettings, DispatcherSettings, EngineSettings, ReservationSettings, IngestorSettings, StackSettings)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{CANARY}\n")
    return path


def test_a_password_comes_from_its_file_without_the_line_end(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS", "MQTT", "DATABASE"):
        monkeypatch.setenv(f"PARKSTREAM_{name}_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("PARKSTREAM_DATABASE_URL", "postgresql://somebody@db/parkstream")
    assert NatsSettings(nats_url="nats://me@a:1,nats://b:2").nats_login() == ("me", CANARY)
    assert MqttSettings(mqtt_url="mqtt://me@a").mqtt_login == ("me", CANARY)
    assert DatabaseSettings().database_options()["password"] == CANARY


def test_a_whole_url_may_stand_in_a_file(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.write_text("nats://me:%40x@a:1\n")
    monkeypatch.setenv("PARKSTREAM_NATS_URL_FILE", str(secret))
    options = NatsSettings().nats_options("somebody")
    assert (options["servers"], options["user"], options["password"]) == (["nats://a:1"], "me", "@x")


def test_what_a_url_says_goes_before_the_password_beside_it() -> None:
    assert NatsSettings(nats_url="nats://me:mine@a", nats_password="other").nats_login() == ("me", "mine")


@pytest.mark.parametrize("settings", ALL)
def test_every_setting_that_carries_a_secret_can_come_from_a_file(settings) -> None:
    names = [name for name in settings.model_fields if name.endswith(("_url", "password", "token", "_key", "secret"))]
    shown = {"chirpstack_url", "api_url", "nats_tls_key", "mqtt_tls_key", "database_tls_key", "health_tls_key"}
    missing = [name for name in names if not is_secret(settings.model_fields[name])]
    assert set(missing) <= shown | {"http_tls_key"}


def test_a_file_that_is_no_secret_is_told_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = {
        "missing": "there is no such file; mount the secret there, or correct the path",
        "empty": "it is empty; write the secret into it",
        "long": "it is longer than 65536 bytes",
        "binary": "it is no UTF-8 text",
        "folder": "it cannot be read",
    }
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "long").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    for name, problem in problems.items():
        monkeypatch.setenv("PARKSTREAM_NATS_PASSWORD_FILE", str(tmp_path / name))
        with pytest.raises(SecretFileError) as told:
            NatsSettings()
        assert f"PARKSTREAM_NATS_PASSWORD_FILE={tmp_path / name}: {problem}" in str(told.value)
        monkeypatch.setenv("PARKSTREAM_BOOTSTRAP_API_KEY_FILE", str(tmp_path / name))
        with pytest.raises(OperatorError):
            read_settings()
        monkeypatch.delenv("PARKSTREAM_BOOTSTRAP_API_KEY_FILE")


def test_a_file_that_may_not_be_read_is_told(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.chmod(0)
    monkeypatch.setenv("PARKSTREAM_NATS_PASSWORD_FILE", str(secret))
    ourselves = os.geteuid()
    os.seteuid(ourselves or NOBODY)  # root reads every file
    try:
        with pytest.raises(SecretFileError, match=r"let the user .* of this process read the file"):
            NatsSettings()
    finally:
        os.seteuid(ourselves)


def test_a_secret_given_twice_is_refused(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKSTREAM_NATS_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("PARKSTREAM_NATS_PASSWORD", CANARY)
    with pytest.raises(SecretFileError, match="both set: take one of them away") as told:
        NatsSettings()
    assert CANARY not in str(told.value)


@pytest.mark.parametrize("settings", ALL)
def test_no_settings_show_a_secret(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "nats_url": f"nats://me:{CANARY}@a",
        "mqtt_url": f"mqtt://me:{CANARY}@a",
        "database_url": f"postgresql://me:{CANARY}@a/b",
        "bootstrap_api_key": f"pk_bootstrap01_{CANARY.ljust(43, 'x')}",
    }
    given = {name: values.get(name, CANARY) for name, field in settings.model_fields.items() if is_secret(field)}
    given.pop("bootstrap_owner_password", None)
    made = settings(**given)
    assert CANARY not in f"{made!r} {made}"
    with pytest.raises(ValidationError) as wrong:
        settings(**given | {"nats_url": [CANARY], "health_port": CANARY, "http_port": CANARY})
    assert CANARY not in str(wrong.value)


async def test_a_service_that_cannot_log_in_tells_the_secret_to_nobody(secret: Path, run_service: RunService) -> None:
    service = await run_service(
        "reservation_service",
        {
            "PARKSTREAM_DATABASE_URL": f"postgresql://me@127.0.0.1:{ports.free_port()}/parkstream",
            "PARKSTREAM_DATABASE_PASSWORD_FILE": str(secret),
            "PARKSTREAM_NATS_URL": f"nats://me@127.0.0.1:{ports.free_port()}",
            "PARKSTREAM_NATS_PASSWORD_FILE": str(secret),
        },
        ready=False,
    )
    async with http_client(base_url=service.url) as client:

        async def answered() -> str:
            return (await client.get("/health")).text

        await eventually(lambda: "nats_error" in service.log.read_text(), 30)
        shown = await eventually(answered)
        shown += (await client.get("/ready")).text + (await client.get("/metrics")).text
    assert "unhealthy" in shown
    assert CANARY not in shown
    assert CANARY not in service.log.read_text()


async def test_a_wrong_password_is_told_without_it(
    database: str, nats_account: NatsAccount, run_service: RunService
) -> None:
    host = database.rpartition("@")[2]
    settings = DatabaseSettings(database_url=f"postgresql://parkstream@{host}", database_password=CANARY)
    pool = await open_pool(settings, role="api_gateway")
    problem = str(await database_check(pool))
    await pool.close()
    assert "PARKSTREAM_DATABASE_PASSWORD or its _FILE" in problem
    assert CANARY not in problem
    service = await run_service(
        "uplink_ingestor",
        {"PARKSTREAM_NATS_URL": f"nats://uplink_ingestor:{CANARY}@{nats_account.url.rpartition('@')[2]}"},
        ready=False,
    )
    await eventually(lambda: "user or password is wrong: correct PARKSTREAM_NATS_URL" in service.log.read_text(), 30)
    await asyncio.to_thread(service.end)
    assert CANARY not in service.log.read_text()


def test_files_of_certificates_are_checked_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for ca, problem in ((tmp_path / "missing", "No such file"), (tmp_path / "text", "PEM file of authorities")):
        with pytest.raises(TlsFileError, match=problem) as told:
            client_context("PARKSTREAM_NATS_TLS", ca, None, None)
        assert f"PARKSTREAM_NATS_TLS_CA={ca}" in str(told.value)
    with pytest.raises(TlsFileError, match="PARKSTREAM_HTTP_TLS_KEY is set without PARKSTREAM_HTTP_TLS_CERTIFICATE"):
        server_files("PARKSTREAM_HTTP_TLS", None, tmp_path / "text")
    with pytest.raises(TlsFileError, match=r"PARKSTREAM_HTTP_TLS_CERTIFICATE=.*without a pass phrase"):
        server_files("PARKSTREAM_HTTP_TLS", tmp_path / "text", tmp_path / "text")


def test_a_plain_url_with_an_authority_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="nats_tls_ca is set, but nats_url is nats://"):
        NatsSettings(nats_url="nats://a", nats_tls_ca=Path("ca.pem"))
