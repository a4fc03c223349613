"""Who may do what: the shipped files are what is generated, and each user of a real server is refused everything else.

That each service can do its work, the other tests show: all of them run with these permissions.
"""

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiomqtt
import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from parking_contracts import replay, subjects
from parking_contracts.permissions import ALL_COMMAND_TOPICS, EVENT_TOPICS, SERVICES, USERS
from parking_contracts.streams import DEAD_LETTERS, SPACES, UPLINKS
from parkstream.access_rules import mosquitto_acl, nats_users_file, permission_table
from parkstream.permissions_command import WRITE, Kind, permissions
from stack.own_logins import as_user
from stack.servers import NatsAccount

ROOT = Path(__file__).resolve().parents[2]
EUI = "0101010101010101"
REFUSED = 0x80  # in a SUBACK
TENANT = SPACE = "0197f2a0-0000-7000-8000-000000000001"
SPACE_EVENT = f"{SPACES.subjects[0][:-1]}{TENANT}.{SPACE}.state_changed"
COMMAND = subjects.command("occupancy", "space.delete")


@pytest.mark.parametrize(
    ("file", "generated", "kind"),
    [("nats/users.conf", nats_users_file, "nats"), ("mosquitto/acl", mosquitto_acl, "mosquitto")],
)
def test_the_shipped_file_is_what_is_generated(file, generated, kind) -> None:
    path = ROOT / "config" / file
    assert path.read_text(encoding="utf-8") == generated(), f"parkstream permissions {kind} > config/{file}"


def test_the_table_for_people_is_what_is_generated() -> None:
    assert permission_table() in (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), (
        "put the output of `parkstream permissions table` into docs/security.md"
    )


@pytest.mark.parametrize("kind", Kind)
def test_the_command_prints_them(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    permissions(kind)
    assert capsys.readouterr().out == WRITE[kind]()


def test_no_service_may_do_everything() -> None:
    for user in SERVICES:
        assert not {">", "$JS.API.>", "*"} & {*user.publish, *user.subscribe}


class Acting:
    """A client of one user of an account, and what the server refused it."""

    def __init__(self, account: NatsAccount, user: str) -> None:
        self._url, self._user = as_user(account.url, user), user
        self.refused: list[str] = []

    async def __aenter__(self) -> Self:
        async def remember(error: Exception) -> None:
            self.refused.append(str(error))

        self.client: Client = await nats.connect(
            self._url, inbox_prefix=subjects.inbox(self._user), error_cb=remember, allow_reconnect=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def may_publish(self, subject: str) -> bool:
        await self.client.publish(subject, b"{}")
        return await self._was_allowed()

    async def may_hear(self, subject: str) -> bool:
        await self.client.subscribe(subject)
        return await self._was_allowed()

    async def _was_allowed(self) -> bool:
        """A refusal comes before the answer to a ping."""
        before = len(self.refused)
        await self.client.flush()
        await self.client.flush()  # what was told before the first answer has been handled by now
        return len(self.refused) == before


FORBIDDEN = {
    "uplink_ingestor": [
        SPACE_EVENT,
        COMMAND,
        subjects.device("synced", EUI),
        subjects.device("reported", EUI),
        subjects.dead_letter("occupancy_engine", "invalid_event"),
        f"$JS.API.CONSUMER.MSG.NEXT.{UPLINKS.name}.occupancy_engine",
        f"$JS.ACK.{UPLINKS.name}.occupancy_engine.1.1.1.1.1",
        f"$JS.API.STREAM.PURGE.{UPLINKS.name}",
        f"$JS.API.STREAM.DELETE.{UPLINKS.name}",
    ],
    "occupancy_engine": [
        subjects.reservation(TENANT, SPACE, "created"),
        subjects.ingress("up"),
        f"$JS.API.STREAM.PURGE.{SPACES.name}",
        f"$JS.API.STREAM.UPDATE.{UPLINKS.name}",
        "_INBOX_downlink_dispatcher.x",
    ],
    "reservation_service": [SPACE_EVENT, subjects.uplink(EUI), COMMAND, f"$JS.API.STREAM.PURGE.{SPACES.name}"],
    "downlink_dispatcher": [
        SPACE_EVENT,
        subjects.uplink(EUI),
        subjects.device("txack", EUI),
        subjects.device("reported", EUI),
        f"application.x.device.{EUI}.event.up",
    ],
    "api_gateway": [
        SPACE_EVENT,
        subjects.uplink(EUI),
        subjects.TICK,
        subjects.device("join", EUI),
        subjects.dead_letter("uplink_ingestor", "invalid_event"),
        f"$JS.API.CONSUMER.DURABLE.CREATE.{SPACES.name}.occupancy_engine",
        f"$JS.API.CONSUMER.CREATE.{SPACES.name}.reservation_service",
        f"$JS.API.STREAM.MSG.DELETE.{SPACES.name}",
        f"$JS.API.STREAM.PURGE.{DEAD_LETTERS.name}",
        f"application.x.device.{EUI}.command.down",
    ],
    "chirpstack": [SPACE_EVENT, subjects.uplink(EUI), f"application.x.device.{EUI}.command.down"],
}


@pytest.mark.parametrize("user", FORBIDDEN)
async def test_a_user_is_refused_what_others_write(nats_account: NatsAccount, user: str) -> None:
    async with Acting(nats_account, user) as acting:
        assert [subject for subject in FORBIDDEN[user] if await acting.may_publish(subject)] == []


@pytest.mark.parametrize("user", [user.name for user in SERVICES])
async def test_a_service_hears_nobody_elses_replies_commands_or_events(nats_account: NatsAccount, user: str) -> None:
    others = [f"{subjects.inbox(other.name)}.>" for other in USERS if other.name != user]
    owner = {"occupancy_engine": "occupancy", "reservation_service": "reservation", "downlink_dispatcher": "downlink"}
    others += [subjects.commands_of(noun) for service, noun in owner.items() if service != user]
    async with Acting(nats_account, user) as acting:
        allowed = [
            one for one in (*others, "_INBOX.>", ">", *SPACES.subjects, "$JS.API.>") if await acting.may_hear(one)
        ]
    assert allowed == []


async def test_a_service_hears_its_own_replies(nats_account: NatsAccount) -> None:
    async with Acting(nats_account, "api_gateway") as gateway:
        request = msgspec.json.encode(replay.ReplayLetter(sequence=1))
        with pytest.raises(NoRespondersError):
            await gateway.client.request(replay.subject("occupancy"), request, timeout=5)
        assert gateway.refused == []


def by_mqtt(account: NatsAccount, user: str) -> aiomqtt.Client:
    url = urlsplit(as_user(account.mqtt_url, user))
    return aiomqtt.Client(
        url.hostname or "", url.port or 0, username=url.username, password=url.password, identifier=uuid.uuid4().hex
    )


async def granted(client: aiomqtt.Client, topic: str) -> int:
    """The code in the SUBACK."""
    (answer,) = await client.subscribe(topic, qos=1)
    return getattr(answer, "value", answer)


async def test_the_embedded_mqtt_listener_has_the_same_rights(nats_account: NatsAccount) -> None:
    event, command = f"application/a/device/{EUI}/event/up", f"application/a/device/{EUI}/command/down"
    async with by_mqtt(nats_account, "uplink_ingestor") as ingestor, by_mqtt(nats_account, "chirpstack") as chirpstack:
        assert [await granted(ingestor, topic) for topic in (EVENT_TOPICS, "#", ALL_COMMAND_TOPICS)] == [
            1,
            REFUSED,
            REFUSED,
        ]
        assert await granted(chirpstack, ALL_COMMAND_TOPICS) == 1
        for user in ("downlink_dispatcher", "uplink_ingestor"):
            with contextlib.suppress(aiomqtt.MqttError):  # who publishes what he may not is put out
                async with by_mqtt(nats_account, user) as forger:
                    await forger.publish(command, user, qos=1)
                    await forger.publish(event, user, qos=0)
        await chirpstack.publish(event, "real", qos=1)
        async with asyncio.timeout(5):
            assert (await anext(ingestor.messages)).payload == b"real"
            assert (await anext(chirpstack.messages)).payload == b"downlink_dispatcher"
