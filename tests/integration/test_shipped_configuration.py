"""The configurations in config/ on the real servers: they start, keep what they acknowledge, and let nobody else in."""

import asyncio
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from parking_contracts.streams import MAX_PAYLOAD_BYTES, STREAMS
from parkstream.embedded import child, places, ports
from parkstream.streams import apply_streams
from stack.servers import scratch_directory

CONFIG = Path(__file__).resolve().parents[2] / "config"
EVENT = "application/ca739e26/device/0101010101010101/event/up"
PASSWORDS = {"parkstream": "12e4", "chirpstack": "chirp-secret", "gateway_bridge": "bridge-secret"}
STOP_STEPS = ((signal.SIGTERM, 5.0),)


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that belongs to the servers' account."""
    scratch = scratch_directory("shipped")
    yield places.make_private_dir(scratch / "home", places.server_account())
    shutil.rmtree(scratch, ignore_errors=True)


class ShippedBroker:
    """Mosquitto as compose.yaml starts it: start.sh, the shipped configuration, another port and other paths."""

    def __init__(self, home: Path) -> None:
        self.port = ports.free_port()
        self.home = home
        self.account = places.server_account()
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("mosquitto.conf", "acl", "start.sh"):
            text = (CONFIG / "mosquitto" / name).read_text(encoding="utf-8")
            text = text.replace("listener 1883", f"listener {self.port} 127.0.0.1")
            for path in ("/run/mosquitto", "/mosquitto/config", "/mosquitto/data"):
                text = text.replace(path, str(home))
            places.write_secret(home / name, text, self.account)

    def start(self) -> None:
        """Start, with the data it had, and wait until it accepts connections."""
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin",
            "PARKSTREAM_MQTT_PASSWORD": PASSWORDS["parkstream"],
            "CHIRPSTACK_MQTT_PASSWORD": PASSWORDS["chirpstack"],
            "GATEWAY_BRIDGE_MQTT_PASSWORD": PASSWORDS["gateway_bridge"],
        }
        with (self.home / "output.log").open("ab") as output:
            self.process = process = child.spawn_server(
                ["/bin/sh", self.home / "start.sh"],
                self.account,
                output,
                cwd=self.home,
                death_signal=signal.SIGKILL,
                environment=environment,
            )
        child.wait_until(lambda: process.poll() is not None or ports.accepts(self.port), 10)
        assert process.poll() is None, child.last_lines(self.home / "output.log")

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is not None:
            child.stop_process(self.process, STOP_STEPS)

    def client(self, user: str, password: str | None = None, *, session_seconds: int = 0) -> aiomqtt.Client:
        """An MQTT 5 client of `user`, with a session that outlives its connection by `session_seconds`."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_seconds
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            username=user,
            password=PASSWORDS.get(user) if password is None else password,
            identifier=f"{user}-test",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=not session_seconds,
            properties=properties,
            timeout=5,
        )


@pytest.fixture
def broker(home: Path) -> Iterator[ShippedBroker]:
    """The shipped Mosquitto; skipped where it is not installed, but never in CI."""
    if not shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
        reason = "mosquitto is not installed (apt-get install mosquitto)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    shipped = ShippedBroker(home)
    shipped.start()
    yield shipped
    shipped.stop()


async def test_events_for_an_absent_subscriber_survive_a_restart_of_the_broker(broker: ShippedBroker) -> None:
    async with broker.client("parkstream", session_seconds=3600) as subscriber:
        await subscriber.subscribe("application/+/device/+/event/+", qos=1)
    async with broker.client("chirpstack") as chirpstack:
        for number in range(1500):  # more than Mosquitto's default would queue
            await chirpstack.publish(EVENT, str(number), qos=1)
    broker.stop()
    broker.start()
    async with broker.client("parkstream", session_seconds=3600) as subscriber, asyncio.timeout(20):
        received = [await anext(subscriber.messages) for _ in range(1500)]
    assert [int(bytes(message.payload)) for message in received] == list(range(1500))


@pytest.mark.parametrize(("user", "password"), [("parkstream", "wrong"), ("nobody", "12e4"), ("parkstream", "")])
async def test_a_client_without_the_right_password_is_turned_away(
    broker: ShippedBroker, user: str, password: str
) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed"):
        async with broker.client(user, password):
            pass


def forge(broker: ShippedBroker) -> None:
    """Publish an event as Parkstream. Some versions of Mosquitto close the connection that tries: hence plain paho."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set("parkstream", PASSWORDS["parkstream"])
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.publish(EVENT, b"forged", qos=0).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


async def test_parkstream_commands_devices_and_cannot_forge_their_events(broker: ShippedBroker) -> None:
    command = "application/ca739e26/device/0101010101010101/command/down"
    async with broker.client("chirpstack") as chirpstack:
        await chirpstack.subscribe("application/#", qos=1)
        await asyncio.to_thread(forge, broker)
        async with broker.client("parkstream") as parkstream, asyncio.timeout(5):
            await parkstream.publish(command, b"{}", qos=1)
            first = await anext(chirpstack.messages)
    assert str(first.topic) == command


async def test_a_gateway_bridge_sees_no_device_events(broker: ShippedBroker) -> None:
    async with broker.client("gateway_bridge") as bridge, broker.client("chirpstack") as chirpstack:
        await bridge.subscribe("#", qos=1)
        await chirpstack.publish(EVENT, "private", qos=1)
        await chirpstack.publish("eu868/gateway/0016c001f153a14c/command/down", "frame", qos=1)
        async with asyncio.timeout(5):
            first = await anext(bridge.messages)
    assert first.payload == b"frame"


@pytest.fixture
def nats_command(home: Path) -> Callable[..., list[str]]:
    """The command line of nats-server with the shipped configuration, on other ports and another directory."""
    account = places.server_account()
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"

    def build(client_port: int, monitor_port: int) -> list[str]:
        text = (CONFIG / "nats" / "nats.conf").read_text(encoding="utf-8")
        text = text.replace("port: 4222", f"host: 127.0.0.1\nport: {client_port}")
        text = text.replace("http: 8222", f'http: "127.0.0.1:{monitor_port}"').replace('"/data"', f'"{home}/store"')
        places.write_secret(home / "nats.conf", text, account)
        reachable = places.reachable_copy(binary.parent, (binary,), account, home.parent / "nats-server")
        return [str(reachable / binary.name), "-c", str(home / "nats.conf")]

    return build


def test_nats_finds_its_configuration_valid() -> None:
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    answer = subprocess.run(
        [binary, "-t", "-c", CONFIG / "nats" / "nats.conf"],
        env={"PARKSTREAM_NATS_PASSWORD": '"12e4"'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr


async def test_nats_holds_every_stream_and_the_largest_message(
    home: Path, nats_command: Callable[..., list[str]]
) -> None:
    port, monitor_port = ports.free_port(), ports.free_port()
    with (home / "nats.log").open("ab") as output:
        server = child.spawn_server(
            nats_command(port, monitor_port),
            places.server_account(),
            output,
            cwd=home,
            death_signal=signal.SIGKILL,
            environment={"PARKSTREAM_NATS_PASSWORD": '"12e4"'},
        )
    try:
        assert child.wait_until(lambda: ports.accepts(port), 20), child.last_lines(home / "nats.log")
        changed = await apply_streams(f"nats://parkstream:12e4@127.0.0.1:{port}")
        assert {stream.name for stream in STREAMS} <= set(changed)
    finally:
        child.stop_process(server, STOP_STEPS)
    assert f"max_payload: {MAX_PAYLOAD_BYTES >> 20}MB" in (CONFIG / "nats" / "nats.conf").read_text(encoding="utf-8")
