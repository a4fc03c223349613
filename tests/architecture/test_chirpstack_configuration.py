"""config/chirpstack says what Parkstream counts on, and the dispatcher's key is made once. No engine is needed."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

CONFIG = Path(__file__).resolve().parents[2] / "config"
STAND_IN = """#!/bin/sh
echo called >>"$CALLS"
[ "$*" = "-c /etc/chirpstack create-api-key --name parkstream" ] || exit 2
echo "2026-07-22T16:00:00Z  INFO Setting up PostgreSQL connection pool"
echo "id: 6f0e2a61-64f5-4a3c-9a55-6e1d4c7e7a10"
[ -z "$SILENT" ] && echo "token: eyJ0eXAi.abc.def"
exit 0
"""


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIG / "chirpstack" / name).read_text(encoding="utf-8"))


def test_events_are_told_at_least_once_in_json_and_kept_for_a_broker_that_was_away() -> None:
    mqtt = read("chirpstack.toml")["integration"]["mqtt"]
    assert (mqtt["qos"], mqtt["json"], mqtt["clean_session"]) == (1, True, False)
    assert mqtt["client_id"]
    assert mqtt["session_expiry_interval"] > 0
    assert mqtt["event_topic"] == "application/{{application_id}}/device/{{dev_eui}}/event/{{event}}"
    assert mqtt["command_topic"] == "application/{{application_id}}/device/{{dev_eui}}/command/{{command}}"


def test_every_enabled_region_is_there_with_its_own_gateway_topics() -> None:
    chirpstack = read("chirpstack.toml")
    assert "mqtt" in chirpstack["integration"]["enabled"]
    for region in chirpstack["network"]["enabled_regions"]:
        (described,) = read(f"region_{region}.toml")["regions"]
        assert described["id"] == region
        assert described["gateway"]["backend"]["mqtt"]["event_topic"].startswith(f"{region}/gateway/")
    assert chirpstack["network"]["scheduler"]["class_c_lock_duration"] == "5s"


@pytest.fixture
def make_key(tmp_path: Path) -> Any:
    stand_in = tmp_path / "chirpstack"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)

    def run(*, silent: bool = False) -> int:
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "SILENT": "yes" * silent,
        }
        script = CONFIG / "chirpstack_key" / "create-key.sh"
        return subprocess.run(["/bin/sh", script, tmp_path / "token"], env=environment, check=False).returncode

    return run


def test_the_key_is_made_once_and_kept(make_key: Any, tmp_path: Path) -> None:
    assert [make_key(), make_key()] == [0, 0]
    assert (tmp_path / "token").read_text() == "eyJ0eXAi.abc.def\n"
    assert (tmp_path / "calls").read_text() == "called\n"


def test_without_a_key_the_dispatcher_is_not_started(make_key: Any, tmp_path: Path) -> None:
    assert make_key(silent=True) == 1
    assert not (tmp_path / "token").exists()
    assert make_key() == 0
