"""What `up` says when it is ready can be copied and works, and tells no password."""

from pathlib import Path

import pytest

from parkstream.settings import Connections
from parkstream.summary import chirpstack, command, log_in, summarise

FOUND = Connections(
    database_url="postgresql://parkstream:hidden@127.0.0.1:15432/parkstream",
    nats_url="nats://parkstream:hidden@127.0.0.1:14222",
    mqtt_url="mqtt://parkstream:hidden@127.0.0.1:11883",
    api_url="http://127.0.0.1:8000",
    api_key="pk_one_two",
)
KEY_FILE = Path("/data of ours/secrets/bootstrap_api_key")


PASSWORD_FILE = Path("/data of ours/secrets/owner_password")
TOKEN_FILE = Path("/data of ours/secrets/chirpstack_token")


def said(*, key_file: Path | None = KEY_FILE, key_is_new: bool = False, demo: bool = True) -> tuple[dict, dict]:
    return summarise(
        FOUND,
        key_file=key_file,
        key_is_new=key_is_new,
        log_in=log_in("owner@parkstream.local", None, PASSWORD_FILE),
        chirpstack=chirpstack("http://127.0.0.1:18080", TOKEN_FILE),
        data_dir=Path("/data of ours"),
        command="parkstream",
        demo=demo,
    )


def test_the_owners_password_shows_once() -> None:
    assert "owner@parkstream.local" in said()[0]["log-in"]
    assert "hidden" in log_in("owner@parkstream.local", "hidden", PASSWORD_FILE)
    assert "PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD" in log_in("owner@parkstream.local", None, None)


def test_the_chirpstack_double_is_told_from_a_real_one() -> None:
    told = said()[0]["ChirpStack"]
    assert told.startswith("http://127.0.0.1:18080  (a double")
    assert str(TOKEN_FILE) in told
    assert chirpstack("https://chirpstack.example.com", None) == "https://chirpstack.example.com"


def test_passwords_stay_out_and_the_key_shows_once() -> None:
    first, again = said(key_is_new=True), said()
    assert "hidden" not in f"{first}{again}"
    assert "pk_one_two" in first[0]["API key"]
    assert "pk_one_two" not in str(again)


def test_the_key_is_read_from_where_it_is() -> None:
    assert f"$(cat '{KEY_FILE}')" in said()[1]["spaces, by HTTP"]
    assert '"X-API-Key: $PARKSTREAM_BOOTSTRAP_API_KEY"' in said(key_file=None)[1]["spaces, by HTTP"]


def test_a_city_is_offered_when_none_is_simulated() -> None:
    assert said(demo=False)[1]["a fictional city"] == "parkstream simulate --demo"
    assert "a fictional city" not in said()[1]


@pytest.mark.parametrize(
    ("called", "data_dir", "typed"),
    [
        (".venv/bin/parkstream", None, ".venv/bin/parkstream"),
        ("/somewhere/main.py", None, "parkstream"),
        ("parkstream", Path("/data of ours"), "PARKSTREAM_DATA_DIR='/data of ours' parkstream"),
    ],
)
def test_another_command_finds_the_same_platform(called: str, data_dir: Path | None, typed: str) -> None:
    assert command(called, data_dir) == typed
