"""The configurations in config/ on the real servers: they start, keep what they acknowledge, and let nobody else in."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from api_gateway.identity.api_keys import parse_key
from parking_contracts.permissions import USERS
from parking_contracts.streams import MAX_PAYLOAD_BYTES, STREAMS
from parkstream.embedded import child, places, ports
from parkstream.errors import OperatorError
from parkstream.streams import apply_streams
from stack.servers import scratch_directory

CONFIG = Path(__file__).resolve().parents[2] / "config"
EVENT = "application/ca739e26/device/0101010101010101/event/up"
PASSWORDS = {
    "uplink_ingestor": "12e4",
    "downlink_dispatcher": "dispatcher-secret",
    "chirpstack": "chirp-secret",
    "gateway_bridge": "bridge-secret",
}
GATEWAY_FRAME = "eu868/gateway/0016c001f153a14c/command/down"
COMMAND = "application/ca739e26/device/0101010101010101/command/down"
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
        for user, password in PASSWORDS.items():
            places.write_secret(home / f"mqtt_{user}", password, self.account)

    def start(self) -> None:
        """Start, with the data it had, and wait until it accepts connections."""
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin",
            "SECRETS_DIR": str(self.home),
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
    async with broker.client("uplink_ingestor", session_seconds=3600) as subscriber:
        await subscriber.subscribe("application/+/device/+/event/+", qos=1)
    async with broker.client("chirpstack") as chirpstack:
        for number in range(1500):  # more than Mosquitto's default would queue
            await chirpstack.publish(EVENT, str(number), qos=1)
    broker.stop()
    broker.start()
    async with broker.client("uplink_ingestor", session_seconds=3600) as subscriber, asyncio.timeout(20):
        received = [await anext(subscriber.messages) for _ in range(1500)]
    assert [int(bytes(message.payload)) for message in received] == list(range(1500))


@pytest.mark.parametrize(
    ("user", "password"), [("uplink_ingestor", "wrong"), ("nobody", "12e4"), ("uplink_ingestor", "")]
)
async def test_a_client_without_the_right_password_is_turned_away(
    broker: ShippedBroker, user: str, password: str
) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed"):
        async with broker.client(user, password):
            pass


def publish_all(broker: ShippedBroker, user: str, topics: Iterable[str]) -> None:
    """Publish as a user. Some versions of Mosquitto close the connection that may not: hence plain paho each time."""
    for topic in topics:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.username_pw_set(user, PASSWORDS[user])
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.publish(topic, user.encode(), qos=0).wait_for_publish(5)
        client.disconnect()
        client.loop_stop()


WRITES = {
    "uplink_ingestor": set(),
    "downlink_dispatcher": {COMMAND},
    "chirpstack": {EVENT, GATEWAY_FRAME},
    "gateway_bridge": {GATEWAY_FRAME},
}


async def test_everybody_writes_what_is_his_and_nothing_else(broker: ShippedBroker) -> None:
    readers = {"uplink_ingestor": {EVENT}, "chirpstack": {COMMAND, GATEWAY_FRAME}}
    heard: dict[str, set[tuple[str, str]]] = {}
    async with broker.client("uplink_ingestor") as ingestor, broker.client("chirpstack") as chirpstack:
        for client in (ingestor, chirpstack):
            await client.subscribe("#", qos=1)
        for user in WRITES:
            await asyncio.to_thread(publish_all, broker, user, (EVENT, COMMAND, GATEWAY_FRAME))
        await asyncio.to_thread(publish_all, broker, "chirpstack", [EVENT, f"{GATEWAY_FRAME}/end"])
        for name, client, last in (("uplink_ingestor", ingestor, 2), ("chirpstack", chirpstack, 4)):
            async with asyncio.timeout(5):
                messages = [await anext(client.messages) for _ in range(last)]
            heard[name] = {(message.payload.decode(), str(message.topic)) for message in messages}
    expected = {
        reader: {(user, topic) for user, topics in WRITES.items() for topic in topics & readable}
        for reader, readable in readers.items()
    }
    expected["chirpstack"].add(("chirpstack", f"{GATEWAY_FRAME}/end"))
    assert heard == expected


async def test_nobody_reads_what_is_not_his(broker: ShippedBroker) -> None:
    async with (
        broker.client("downlink_dispatcher") as dispatcher,
        broker.client("gateway_bridge") as bridge,
        broker.client("chirpstack") as chirpstack,
    ):
        for client in (dispatcher, bridge):
            await client.subscribe("#", qos=1)
        await chirpstack.publish(EVENT, "private", qos=1)
        await dispatcher.publish(COMMAND, "private", qos=1)
        await chirpstack.publish(GATEWAY_FRAME, "frame", qos=1)
        async with asyncio.timeout(5):
            first = await anext(bridge.messages)
        assert first.payload == b"frame"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(dispatcher.messages)


async def test_the_ingestors_share_what_they_read(broker: ShippedBroker) -> None:
    async with broker.client("uplink_ingestor") as ingestor, broker.client("chirpstack") as chirpstack:
        await ingestor.subscribe("$share/ingestors/application/+/device/+/event/+", qos=1)
        await chirpstack.publish(EVENT, "up", qos=1)
        async with asyncio.timeout(5):
            assert (await anext(ingestor.messages)).payload == b"up"


NATS_USERS = [user.name for user in USERS if user.publish or user.subscribe]


@pytest.fixture
def shipped_nats(home: Path) -> Iterator[int]:
    """The port of a NATS server as compose.yaml starts it: start.sh, the shipped files, other ports and directories."""
    account, port, monitor_port = places.server_account(), ports.free_port(), ports.free_port()
    text = (CONFIG / "nats" / "nats.conf").read_text(encoding="utf-8")
    text = text.replace("port: 4222", f"host: 127.0.0.1\nport: {port}")
    text = text.replace("http: 8222", f'http: "127.0.0.1:{monitor_port}"').replace('"/data"', f'"{home}/store"')
    places.write_secret(home / "nats.conf", text, account)
    for name in ("users.conf", "start.sh"):
        places.write_secret(home / name, (CONFIG / "nats" / name).read_text(encoding="utf-8"), account)
    for user in NATS_USERS:
        places.write_secret(home / f"nats_{user}", "12e4", account)
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    reachable = places.reachable_copy(binary.parent, (binary,), account, home.parent / "nats-server")
    environment = {
        "PATH": os.environ["PATH"],
        "SECRETS_DIR": str(home),
        "NATS_SERVER": str(reachable / binary.name),
    }
    with (home / "nats.log").open("ab") as output:
        server = child.spawn_server(
            ["/bin/sh", home / "start.sh", home / "nats.conf"],
            account,
            output,
            cwd=home,
            death_signal=signal.SIGKILL,
            environment=environment,
        )
    assert child.wait_until(lambda: ports.accepts(port), 20), child.last_lines(home / "nats.log")
    yield port
    child.stop_process(server, STOP_STEPS)


async def test_nats_holds_every_stream_and_the_largest_message(shipped_nats: int) -> None:
    changed = await apply_streams(f"nats://parkstream:12e4@127.0.0.1:{shipped_nats}")
    assert {stream.name for stream in STREAMS} <= set(changed)
    assert f"max_payload: {MAX_PAYLOAD_BYTES >> 20}MB" in (CONFIG / "nats" / "nats.conf").read_text(encoding="utf-8")


async def test_nats_gives_each_service_its_own_rights_and_nobody_the_operators(shipped_nats: int) -> None:
    with pytest.raises(OperatorError, match="JetStream"):
        await apply_streams(f"nats://api_gateway:12e4@127.0.0.1:{shipped_nats}")
    with pytest.raises(OperatorError, match="cannot be reached"):
        await apply_streams(f"nats://parkstream:wrong@127.0.0.1:{shipped_nats}")


def test_nats_does_not_start_without_a_users_password(tmp_path: Path) -> None:
    answer = subprocess.run(
        ["/bin/sh", CONFIG / "nats" / "start.sh"],
        env={"PATH": os.environ["PATH"], "SECRETS_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "nats_uplink_ingestor is missing or empty: config/make-secrets.sh makes it" in answer.stderr


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    script = ["/bin/sh", CONFIG / "make-secrets.sh", tmp_path / "secrets"]
    subprocess.run(script, check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert parse_key(made["bootstrap_api_key"]) is not None
    assert len(set(made.values())) == len(made)
    assert min(map(len, made.values())) >= 48
    again = subprocess.run(script, check=True, capture_output=True)
    assert (again.stdout, {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}) == (b"", made)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
