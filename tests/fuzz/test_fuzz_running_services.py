"""A stream of hostile and valid messages through a real broker, ingestor, gateway and engine, by MQTT and by HTTP.

Every valid uplink is stored once, everything that can never be read lies in DEAD_LETTERS once with its reason, nothing
else has happened, every process is the one that was started, and what was set aside can be sent on its way again.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import aiomqtt
import httpx
import msgspec
from chirpstack_api import integration
from google.protobuf.json_format import ParseDict

from api_gateway.ingress.event_application import application_of, encoding_of
from fuzz.events import EVENTS, any_event, eui, event_body, hostile, hostile_topic
from fuzz.expected import Expected, key_of, twice
from parking_contracts import subjects
from parking_contracts.errors import DeadLetter, DeadLetterCode
from parking_contracts.ingress import NO_APPLICATION
from stack.fuzzing import MESSAGES, SEED
from stack.http_client import http_client
from stack.platform import APPLICATION, Platform
from stack.service_process import Service
from stack.waiting import eventually
from uplink_ingestor.ingest import Arrival
from uplink_ingestor.topics import EventTopic, parse_topic

KEY = "pk_bootstrap01_" + "s" * 43
DOOR = "/api/v6/webhooks/chirpstack"
HONEST_DEVICES = 8
BY_HTTP = 1_000_000
TYPES = ("application/json", "application/octet-stream", "text/plain", "", "application/json; charset=\u00e9")
# What the door may answer; anything from 500 up is our own fault.
ANSWERS = {202, 401, 403, 413, 422}


@dataclass
class Street:
    """Everything that runs, what was sent to it, and what must become of that."""

    town: Platform
    api: httpx.AsyncClient
    mqtt_url: str
    services: dict[str, Service]
    dice: Random = field(default_factory=lambda: Random(SEED))
    expected: Expected = field(default_factory=Expected)
    honest: dict[str, list[bool]] = field(default_factory=dict)

    async def letters(self) -> list[tuple[int, DeadLetter]]:
        """Everything in DEAD_LETTERS, with its number there."""
        context = self.town.bus.jetstream()
        last = (await context.stream_info("DEAD_LETTERS")).state.last_seq
        found = []
        for start in range(1, last + 1, 200):
            numbers = range(start, min(start + 200, last + 1))
            answers = await asyncio.gather(
                *(context.get_msg("DEAD_LETTERS", one) for one in numbers), return_exceptions=True
            )
            found += [
                (number, msgspec.json.decode(one.data or b"", type=DeadLetter))
                for number, one in zip(numbers, answers, strict=True)
                if not isinstance(one, BaseException)
            ]
        return found

    async def metric(self, service: str, name: str) -> dict[str, float]:
        """The values of a metric by its labels."""
        async with http_client(base_url=self.services[service].url) as client:
            text = (await client.get("/metrics")).text
        return {
            labels: float(value) for labels, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
        }


def arrival(source: str, topic: str, body: bytes) -> Arrival:
    return Arrival(source=source, topic=topic, body=body, received_at=datetime.now(UTC), receipt=None)


def honest_uplink(street: Street, dev_eui: str, at: datetime) -> tuple[str, bytes]:
    """The next frame of a device that is as it should be; every other time by the other marshaler."""
    told = street.honest.setdefault(dev_eui, [])
    body = event_body(street.dice, "up", dev_eui, at, len(told) + 1)
    body["deviceInfo"]["deviceProfileName"] = "Bosch TPS110"
    told.append(body["data"] == "AQ==")
    raw = json.dumps(body).encode()
    if len(told) % 2:
        raw = ParseDict(body, integration.UplinkEvent()).SerializeToString()
    return f"application/{APPLICATION}/device/{dev_eui}/event/up", raw


async def send_by_mqtt(street: Street, start: datetime) -> None:
    """Hostile and valid messages on one connection, at QoS 1."""
    host, _, port = street.mqtt_url.removeprefix("mqtt://").partition(":")
    async with aiomqtt.Client(host, int(port), max_queued_outgoing_messages=0) as client:
        client.pending_calls_threshold = 10_000
        for first in range(0, MESSAGES, 50):
            group = []
            for number in range(first, min(first + 50, MESSAGES)):
                at = start + timedelta(milliseconds=number)
                event = any_event(street.dice)
                topic = hostile_topic(street.dice, event, eui(number))
                body = hostile(street.dice, event, eui(number), at)
                street.expected.add(topic, lambda topic=topic: parse_topic(topic), arrival("chirpstack", topic, body))
                group += [(topic, body), honest_uplink(street, eui(900_000 + number % HONEST_DEVICES), at)]
            await asyncio.gather(*(client.publish(topic, body, qos=1, timeout=60) for topic, body in group))


async def send_by_http(street: Street, start: datetime) -> None:
    """Hostile bodies at the gateway's door; what it takes is expected like what came by MQTT."""
    made = await street.api.post("/api/v6/ingress-credentials", json={"source": "fuzz-http"})
    assert made.status_code == 201, made.text
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    for number in range(MESSAGES // 4):
        event = street.dice.choice(EVENTS)
        body = hostile(street.dice, event, eui(BY_HTTP + number), start)
        kind = street.dice.choice(TYPES).encode("latin-1")
        given = {**bearer, "Content-Type": kind} if street.dice.random() < 0.95 else {"Content-Type": kind}
        answer = await street.api.post(f"{DOOR}?event={event}", content=body, headers=given)
        assert answer.status_code in ANSWERS, answer.text
        if answer.status_code != 202:
            continue
        encoding = encoding_of(kind.decode("latin-1"))
        application = application_of(body, encoding, event) or NO_APPLICATION
        came = arrival("fuzz-http", event, body)
        street.expected.add(subjects.ingress(event), EventTopic(event, application), came, encoding)


async def all_is_handled(street: Street) -> bool:
    """Whether everything expected has been received, and the engine has acknowledged every uplink."""
    poison = await street.metric("uplink_ingestor", "parkstream_ingestor_dead_letters_total")
    received = await street.metric("uplink_ingestor", "parkstream_ingestor_events_total")
    honest = sum(map(len, street.honest.values()))
    assert sum(poison.values()) >= len(street.expected.letters)
    assert received['event="up"'] >= honest + len(street.expected.uplinks)
    assert sum(received.values()) >= honest + len(street.expected.uplinks) + street.expected.others.total()
    in_flight = await street.metric("uplink_ingestor", "parkstream_ingestor_in_flight")
    return not sum(in_flight.values()) and await street.town.idle()


async def check_letters(street: Street) -> bool:
    """Each poison once, with a reason and its bytes; of the engine only what no codec could read."""
    letters = [letter for _, letter in await street.letters()]
    ours = [one for one in letters if one.service == "uplink_ingestor"]
    assert {key_of(one) for one in ours} == street.expected.letters
    assert twice(map(key_of, ours)) == []
    assert all(one.detail and one.code and (one.truncated or len(one.body) == one.size_bytes) for one in ours)
    assert len({one.code for one in ours}) >= 4, "hostile in one way only"
    theirs = [one for one in letters if one.service != "uplink_ingestor"]
    assert {(one.service, one.code.value) for one in theirs} <= {("occupancy_engine", "codec_failure")}
    # The engine's come through its outbox, a moment after the rows.
    unreadable = await street.town.rows("SELECT count(*) FROM occupancy.sensor_readings WHERE decode_error IS NOT NULL")
    assert len(theirs) == unreadable[0]["count"]
    return True


async def check_rows(street: Street) -> None:
    """Each uplink once, honest or lucky, and no other."""
    rows = await street.town.rows("SELECT dev_eui, f_cnt, occupied FROM occupancy.sensor_readings ORDER BY 1, 2")
    orphans = await street.town.rows("SELECT dev_eui FROM occupancy.orphan_frames")
    for dev_eui, told in street.honest.items():
        stored = [(row["f_cnt"], row["occupied"]) for row in rows if row["dev_eui"] == dev_eui]
        assert stored == list(enumerate(told, 1))
    lucky = [row["dev_eui"] for row in rows if row["dev_eui"] not in street.honest]
    lucky += [row["dev_eui"] for row in orphans]
    assert sorted(lucky) == sorted(street.expected.uplinks)


async def check_counts(street: Street) -> None:
    """What the ingestor counted is what was sent: no message was dropped without a word."""
    received = await street.metric("uplink_ingestor", "parkstream_ingestor_events_total")
    others = {name: received[f'event="{name}"'] for name in EVENTS if name != "up"}
    assert others == {name: street.expected.others[name] for name in others}
    passed = await street.metric("uplink_ingestor", "parkstream_ingestor_not_for_us_total")
    assert sum(passed.values()) == street.expected.not_for_us


async def check_replay(street: Street) -> None:
    """Poison comes back once, as poison; what only wanted another codec becomes a reading."""
    misread = "0f0fffffffffffff"
    told = street.town.uplink(misread, 1, True, data=bytes.fromhex("a82d63"), at=datetime.now(UTC))
    await street.town.hear(told)

    async def set_aside() -> list[int]:
        return [number for number, one in await street.letters() if one.address.endswith(misread)]

    (misread_letter,) = await eventually(set_aside, 20)
    before = await street.letters()
    await street.town.database.execute(
        "UPDATE occupancy.devices SET codec = 'tekzitel_tekzipark' WHERE dev_eui = $1", misread
    )
    whole = [(number, one) for number, one in before if one.origin == "mqtt" and not one.truncated]
    poison = [(number, one) for number, one in whole if one.code is not DeadLetterCode.INVALID_TOPIC][:10]
    for number in [misread_letter, *(number for number, _ in poison)]:
        answer = await street.api.post(f"/api/v6/dead-letters/{number}/replay")
        assert answer.status_code == 200, answer.text
    for number in [number for number, one in whole if one.code is DeadLetterCode.INVALID_TOPIC][:3]:
        answer = await street.api.post(f"/api/v6/dead-letters/{number}/replay")
        assert answer.status_code in {200, 409}, "nobody can say which event it was"

    async def came_back() -> bool:
        now = [key_of(one) for number, one in await street.letters() if number > before[-1][0]]
        assert twice(now) == []
        return {key_of(one) for _, one in poison} <= set(now)

    await eventually(came_back, 20)

    async def is_read() -> bool:
        (row,) = await street.town.rows("SELECT occupied FROM occupancy.sensor_readings WHERE dev_eui = $1", misread)
        return bool(row["occupied"])

    await eventually(is_read, 20)


async def test_hostile_and_valid_messages_mixed(run_service: Any, service_env: Any, mosquitto: Any, platform: Platform):
    names = ("uplink_ingestor", "occupancy_engine", "api_gateway")
    given = {**service_env, "PARKSTREAM_MQTT_URL": mosquitto.url, "PARKSTREAM_BOOTSTRAP_API_KEY": KEY}
    given["PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND"] = "0"
    services = dict(zip(names, await asyncio.gather(*(run_service(one, given) for one in names)), strict=True))
    processes = {name: service.process.pid for name, service in services.items()}
    await platform.settle_in()
    start = datetime.now(UTC) - timedelta(hours=1)
    async with http_client(base_url=services["api_gateway"].url, headers={"X-API-Key": KEY}, timeout=30) as api:
        street = Street(platform, api, mosquitto.url, services)
        spaces = {
            eui(900_000 + number): await platform.space(eui(900_000 + number)) for number in range(HONEST_DEVICES)
        }
        await send_by_mqtt(street, start)
        await send_by_http(street, start)
        await eventually(lambda: all_is_handled(street), 60, interval=0.2)
        await eventually(lambda: check_letters(street), 20, interval=0.2)
        await check_rows(street)
        await check_counts(street)
        for dev_eui, space_id in spaces.items():
            assert await platform.state(space_id) == ("occupied" if street.honest[dev_eui][-1] else "free", "sensor")
        await check_replay(street)
    assert {name: service.process.pid for name, service in services.items()} == processes
    for service in services.values():
        await eventually(service.is_ready, 10, message=f"{service.module} /ready")
