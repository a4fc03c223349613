"""Which ChirpStack a platform on one machine talks to: the double of the demo city, or a real one by URL and token."""

from pathlib import Path

import pytest

from parkstream import stack
from parkstream.settings import Connections, StackSettings

CONNECTIONS = Connections(
    database_url="postgresql://d", nats_url="nats://n", mqtt_url="mqtt://m", api_url="http://a", api_key="pk"
)
OWNER = stack.Owner("owner@example.com", "a long password")
NO_SERVERS = stack.EmbeddedServers(None, None, None)


def environment(service: str, settings: StackSettings, access: stack.ChirpStackAccess) -> dict[str, str]:
    return stack.service_environment(service, settings, CONNECTIONS, Path("/data"), OWNER, access)


def test_without_a_url_the_double_is_run_and_the_dispatcher_alone_has_its_token() -> None:
    settings = StackSettings(chirpstack_port=18099)
    access = stack.chirpstack(settings, lambda: "made-up-token")
    assert access == stack.ChirpStackAccess("http://127.0.0.1:18099", "made-up-token", is_double=True)
    assert 18099 in [port.number for port in stack.needed_ports(settings, NO_SERVERS)]
    double = stack.double_environment(settings, CONNECTIONS, access)
    assert double["PARKSTREAM_CHIRPSTACK_TOKEN"] == "made-up-token"
    assert double["PARKSTREAM_CHIRPSTACK_PORT"] == "18099"
    assert double["PARKSTREAM_MQTT_PROTOCOL"] == "3.1.1"
    for service in settings.health_ports():
        given = environment(service, settings, access)
        assert given["PARKSTREAM_CHIRPSTACK_URL"] == access.url
        assert bool(given["PARKSTREAM_CHIRPSTACK_TOKEN"]) == (service == "downlink_dispatcher")


def test_a_real_one_needs_url_and_token_and_no_port() -> None:
    settings = StackSettings(chirpstack_url="https://chirpstack.example.com", chirpstack_token="theirs")
    access = stack.chirpstack(settings, lambda: pytest.fail("no token is made for a real ChirpStack"))
    assert access == stack.ChirpStackAccess("https://chirpstack.example.com", "theirs", is_double=False)
    assert settings.chirpstack_port not in [port.number for port in stack.needed_ports(settings, NO_SERVERS)]
    assert environment("downlink_dispatcher", settings, access)["PARKSTREAM_CHIRPSTACK_TOKEN"] == "theirs"


def test_a_service_gets_no_login_that_it_has_no_use_for() -> None:
    settings = StackSettings()
    access = stack.chirpstack(settings, lambda: "token")
    given = {service: environment(service, settings, access) for service in settings.health_ports()}
    assert [name for name, one in given.items() if not one["PARKSTREAM_DATABASE_URL"]] == ["uplink_ingestor"]
    assert {name for name, one in given.items() if one["PARKSTREAM_MQTT_URL"]} == {
        "uplink_ingestor",
        "downlink_dispatcher",
    }
    assert [name for name, one in given.items() if one["PARKSTREAM_BOOTSTRAP_API_KEY"]] == ["api_gateway"]
