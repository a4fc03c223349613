"""Downlinks through ChirpStack's MQTT commands: over real brokers, to the double, which reads as it does."""

import asyncio
import contextlib
import gc
import json
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta

import pytest
from chirpstack_api import integration
from google.protobuf import json_format

from downlink_dispatcher.network.mqtt_transport import MqttTransport, command_of, topic_of
from downlink_dispatcher.network.transport import DeviceDeniedError, NetworkAwayError
from downlink_dispatcher.settings import NetworkSettings
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from parkstream.embedded import child
from stack.brokers import STOP_STEPS, Mosquitto
from stack.chirpstack import APPLICATION_ID, StartChirpStack, network_of
from stack.network_client import item_for, network_settings
from stack.servers import NatsAccount
from stack.waiting import eventually
from stack.webhook_receiver import make_certificate

OTHER_APPLICATION = "22222222-2222-4222-8222-222222222222"


@contextlib.asynccontextmanager
async def mqtt_transport(settings: NetworkSettings) -> AsyncIterator[MqttTransport]:
    transport = MqttTransport(settings)
    running = asyncio.create_task(transport.run())
    try:
        yield transport
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def is_well(transport: MqttTransport) -> bool:
    return await transport.check() is None


def display_of(double: ChirpStackDouble) -> str:
    return next(iter(double.network.devices))


@pytest.mark.parametrize("broker", ["mosquitto", "nats"])
async def test_a_command_is_queued_under_our_own_id(
    broker: str, chirpstack: StartChirpStack, mosquitto: Mosquitto, empty_nats_account: NatsAccount
) -> None:
    protocol = {"mosquitto": "5", "nats": "3.1.1"}[broker]
    url = {"mosquitto": mosquitto.url, "nats": empty_nats_account.mqtt_url}[broker]
    double = await chirpstack(network_of(Busylight), mqtt=url, mqtt_version=protocol)
    item = item_for(display_of(double), confirmed=True)
    async with mqtt_transport(network_settings(mqtt_url=url, mqtt_protocol=protocol)) as transport:
        await eventually(lambda: is_well(transport))
        assert await transport.enqueue(item) == str(item.downlink_id)
        (queued,) = await eventually(lambda: double.enqueued_for(item.dev_eui))
        assert (queued.id, queued.f_port, queued.data) == (str(item.downlink_id), 15, item.payload)
        assert queued.confirmed
        assert queued.via == "mqtt"
        assert await transport.find(item) is None
    assert double.refused == []


async def test_a_device_of_another_application_is_refused_by_chirpstack(
    chirpstack: StartChirpStack, mosquitto: Mosquitto
) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=mosquitto.url, mqtt_version="5")
    ours = item_for(display_of(double))
    claim = item_for(display_of(double), application_id=OTHER_APPLICATION)
    async with mqtt_transport(network_settings(mqtt_url=mosquitto.url)) as transport:
        await eventually(lambda: is_well(transport))
        await transport.enqueue(claim)
        await eventually(lambda: double.refused)
        await transport.enqueue(ours)
        await eventually(lambda: double.enqueued)
    assert [one.id for one in double.enqueued] == [str(ours.downlink_id)]


async def test_a_broker_that_ends_is_waited_for(chirpstack: StartChirpStack, mosquitto: Mosquitto) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=mosquitto.url, mqtt_version="5")
    item = item_for(display_of(double))
    async with mqtt_transport(network_settings(mqtt_url=mosquitto.url)) as transport:
        with pytest.raises(NetworkAwayError):
            await transport.enqueue(item)
        await eventually(lambda: is_well(transport))
        mosquitto.kill()
        await eventually(transport.check)
        with pytest.raises(NetworkAwayError):
            await transport.enqueue(item)
        mosquitto.start()
        await eventually(lambda: is_well(transport), 15)
        await transport.enqueue(item)


async def test_a_wrong_password_is_told_with_its_remedy(empty_nats_account: NatsAccount) -> None:
    login, _, place = empty_nats_account.mqtt_url.rpartition("@")
    url = f"{login}-wrong@{place}"
    async with mqtt_transport(network_settings(mqtt_url=url, mqtt_protocol="3.1.1")) as transport:
        problem = await eventually(lambda: refusal(transport))
        assert "correct PARKSTREAM_MQTT_URL" in problem
        assert transport.availability.retry_seconds > 20


async def refusal(transport: MqttTransport) -> str | None:
    return transport.availability.problem if transport.availability.is_refused else None


@contextlib.contextmanager
def broker_with(mosquitto: Mosquitto, *lines: str) -> Iterator[int]:
    """Mosquitto on its port with settings of the test's own."""
    mosquitto.stop()
    configuration = mosquitto.home / "own.conf"
    configuration.write_text("\n".join((f"listener {mosquitto.port} 127.0.0.1", "allow_anonymous true", *lines, "")))
    with (mosquitto.home / "own.log").open("ab") as output:
        command = [mosquitto._executable, "-c", configuration]
        process = child.spawn_server(
            command, mosquitto.account, output, cwd=mosquitto.home, death_signal=signal.SIGKILL
        )
    try:
        yield mosquitto.port
    finally:
        child.stop_process(process, STOP_STEPS)


async def test_a_command_that_the_broker_does_not_let_pass_is_not_taken_for_sent(mosquitto: Mosquitto) -> None:
    rules = mosquitto.home / "access"
    rules.write_text(f"topic readwrite application/{APPLICATION_ID}/#\n")
    with broker_with(mosquitto, f"acl_file {rules}"):
        async with mqtt_transport(network_settings(mqtt_url=mosquitto.url)) as transport:
            await eventually(lambda: is_well(transport))
            await transport.enqueue(item_for("0" * 16))
            with pytest.raises(DeviceDeniedError, match="access list"):
                await transport.enqueue(item_for("0" * 16, application_id=OTHER_APPLICATION))


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_over_tls_the_broker_must_be_signed_by_the_named_authority(mosquitto: Mosquitto) -> None:
    _, authority = make_certificate(mosquitto.home, "localhost")
    key = mosquitto.home / "key.pem"
    for file in (authority, key):
        file.chmod(0o644)
    with broker_with(mosquitto, f"certfile {authority}", f"keyfile {key}") as port:
        url = f"mqtts://localhost:{port}"
        async with mqtt_transport(network_settings(mqtt_url=url, mqtt_tls_ca=authority)) as transport:
            await eventually(lambda: is_well(transport))
            assert await transport.enqueue(item_for("0" * 16))
        async with mqtt_transport(network_settings(mqtt_url=url)) as transport:
            await eventually(lambda: "certificate verify failed" in (transport.availability.problem or ""))
    gc.collect()


@pytest.mark.parametrize("application_id", ["", "parking", "+", "../../other", f"{OTHER_APPLICATION}/device/x"])
def test_an_application_id_leads_to_no_other_topic(application_id: str) -> None:
    with pytest.raises(DeviceDeniedError, match="no application of ChirpStack's"):
        topic_of(item_for("0" * 16, application_id=application_id), "eu868/")


def test_a_command_says_the_same_in_both_of_chirpstacks_ways() -> None:
    item = item_for("0123456789abcdef", confirmed=True)
    told = json.loads(command_of(item, "json"))
    expires_at = datetime.fromisoformat(told.pop("expiresAt"))
    assert abs(expires_at - item.expires_at) < timedelta(milliseconds=1)
    assert told == {
        "id": str(item.downlink_id),
        "devEui": "0123456789abcdef",
        "confirmed": True,
        "fPort": 15,
        "data": "AAD//wA=",
    }
    read = integration.DownlinkCommand.FromString(command_of(item, "protobuf"))
    assert read == json_format.Parse(command_of(item, "json"), integration.DownlinkCommand())


def test_topics_stand_behind_the_prefix() -> None:
    item = item_for("0123456789abcdef", application_id=OTHER_APPLICATION)
    settings = network_settings(mqtt_topic_prefix="eu868")
    expected = f"eu868/application/{OTHER_APPLICATION}/device/0123456789abcdef/command/down"
    assert topic_of(item, settings.mqtt_topic_prefix) == expected
