"""kill -9 of gateway, ingestor and NATS while events come over HTTP: whatever was answered 2xx is on UPLINKS, once."""

import asyncio
import json
import uuid
from collections import Counter

import httpx
import nats
import pytest

from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.waiting import eventually

EVENTS_PER_ROUND = 150
SENDERS = 10
SOURCE = "kill-test"


class Ledger:
    """What was handed in, and how it was answered: 0 where no answer came."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.answers: dict[str, int] = {}

    @property
    def accepted(self) -> set[str]:
        return {key for key, status in self.answers.items() if status == httpx.codes.ACCEPTED}

    async def send(self, count: int) -> None:
        """As ChirpStack does: each event once, whatever becomes of it."""
        waiting = iter(range(count))

        async def sender() -> None:
            async with http_client(base_url=self._url, timeout=10) as http:
                for _ in waiting:
                    await self._send_one(http)

        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(sender())

    async def _send_one(self, http: httpx.AsyncClient) -> None:
        key = str(uuid.uuid4())
        number = len(self.answers)
        info = {"applicationId": "app", "devEui": f"{0x0101000000000000 + number % 50:016x}"}
        body = {"deduplicationId": key, "deviceInfo": info, "devAddr": "00189440", "fCnt": number, "fPort": 1}
        self.answers[key] = 0
        try:
            answer = await http.post(
                "/api/v6/webhooks/chirpstack?event=up", content=json.dumps(body), headers=self._headers
            )
        except httpx.TransportError:
            return
        self.answers[key] = answer.status_code


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_that_was_answered_2xx_is_lost(database, private_nats, run_service, gateway_env) -> None:
    login = private_nats.login()
    await apply_streams(login.url)
    env = {
        **gateway_env,
        "PARKSTREAM_NATS_URL": login.url,
        "PARKSTREAM_MQTT_URL": login.mqtt_url,
        "PARKSTREAM_MQTT_PROTOCOL": "3.1.1",
    }
    gateway = await run_service("api_gateway", env)
    ingestor = await run_service("uplink_ingestor", env)
    key = gateway_env["PARKSTREAM_BOOTSTRAP_API_KEY"]
    async with http_client(base_url=gateway.url, headers={"X-API-Key": key}) as api:
        made = (await api.post("/api/v6/ingress-credentials", json={"source": SOURCE})).json()
    ledger = Ledger(gateway.url, made["token"])

    for victim in (gateway, ingestor, private_nats, ingestor, gateway, private_nats):
        before = len(ledger.accepted)
        sending = asyncio.create_task(ledger.send(EVENTS_PER_ROUND))
        await eventually(lambda before=before: len(ledger.accepted) >= before + 30, 20)
        victim.kill()
        if victim is private_nats:
            private_nats.start()
        else:
            await victim.start(ready=False)
        await sending
        await gateway.wait_ready()
        await ingestor.wait_ready()
    await ledger.send(EVENTS_PER_ROUND)

    client = await nats.connect(login.url)
    stored = await eventually(lambda: all_taken(client), 30)
    assert ledger.accepted - set(stored) == set()
    assert set(stored) <= set(ledger.answers)
    assert max(Counter(stored).values()) == 1
    assert len(ledger.accepted) > EVENTS_PER_ROUND
    print(f"answers {Counter(ledger.answers.values())}, stored {len(stored)}")  # noqa: T201  pytest shows it
    await client.close()


async def all_taken(client: nats.NATS) -> list[str] | None:
    """The events on UPLINKS, once INGRESS is empty."""
    jetstream = client.jetstream()
    if (await jetstream.stream_info("INGRESS")).state.messages:
        return None
    state = (await jetstream.stream_info("UPLINKS")).state
    stored = [await jetstream.get_msg("UPLINKS", number + 1) for number in range(state.last_seq)]
    ids = [(one.headers or {}).get("Nats-Msg-Id", "") for one in stored]
    return [one.removeprefix(f"{SOURCE}:up:") for one in ids if one.startswith(SOURCE)]
