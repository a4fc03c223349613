"""What is pushed to a tenant is its own: the event stream on either gateway, resumed or asked for, and webhooks.

Two tenants' events go out in turns, so that each one's own are the proof that the other's would have come as well.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from stack.hooked_streets import HookedStreet, client_of_tenant
from stack.http_client import http_client
from stack.waiting import eventually
from stack.webhook_events import QUICK

pytestmark = pytest.mark.asyncio(loop_scope="module")
TURNS = 20
PATH = "/api/v6/events"


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    return QUICK


class Listener:
    """One client of the event stream: its lines, and the place it reached."""

    def __init__(self) -> None:
        self.text = ""
        self.position = ""
        self.opened = asyncio.Event()

    async def listen(self, client: httpx.AsyncClient, path: str, after: str = "") -> None:
        headers = {"Last-Event-ID": after} if after else {}
        async with client.stream("GET", path, headers=headers, timeout=60) as stream:
            assert stream.status_code == httpx.codes.OK, await stream.aread()
            async for line in stream.aiter_lines():
                self.text += f"{line}\n"
                if line.startswith("id: "):
                    self.position = line.removeprefix("id: ")
                    self.opened.set()


@contextlib.asynccontextmanager
async def listening(client: httpx.AsyncClient, path: str = PATH, after: str = "") -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(listener.listen(client, path, after))
    await asyncio.wait({task, asyncio.create_task(listener.opened.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), task
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_turns(ours: HookedStreet, theirs: HookedStreet) -> None:
    """Changes and reservations of both; the last one is ours."""
    for _ in range(TURNS):
        for one in (theirs, ours):
            await one.street.change(reason=f"word of {one.tenant_id}")
            await one.street.reserve()


def assert_ours_alone(text: str, ours: HookedStreet, theirs: HookedStreet) -> None:
    assert str(ours.street.space_id) in text
    for trace in (theirs.tenant_id, theirs.street.site_id, theirs.street.space_id):
        assert str(trace) not in text


async def test_an_event_stream_carries_one_tenants_events_alone(hooked: HookedStreet):
    theirs = await hooked.stranger()
    named = f"{PATH}?site={theirs.street.site_id}&site={hooked.street.site_id}"
    async with listening(hooked.api) as everything, listening(hooked.api, named) as asked_for_theirs:
        began = everything.position
        await in_turns(hooked, theirs)

        def all_came() -> bool:
            return f'"version":{TURNS}' in everything.text and f'"version":{TURNS}' in asked_for_theirs.text

        await eventually(all_came, 20)
        for listener in (everything, asked_for_theirs):
            assert_ours_alone(listener.text, hooked, theirs)
    # From memory and, at the other gateway, from the streams: what is older is filtered by the same tenant.
    second = hooked.gateways.services[1].url
    for base_url in (str(hooked.api.base_url), second):
        async with (
            http_client(base_url=base_url, headers=hooked.api.headers) as client,
            listening(client, after=began) as resumed,
        ):
            await eventually(lambda resumed=resumed: f'"version":{TURNS}' in resumed.text, 20)
            assert_ours_alone(resumed.text, hooked, theirs)


async def test_a_webhook_carries_one_tenants_events_alone_and_so_does_its_replay(hooked: HookedStreet):
    theirs = await hooked.stranger()
    hook, receiver = await hooked.hook()
    await in_turns(hooked, theirs)
    await receiver.gets(2 * TURNS, within=30)
    assert (await hook.post("replay", {"after": "0.0"})).is_success
    await receiver.gets(4 * TURNS, within=30)
    text = "".join(json.dumps(one.event) for one in receiver.received)
    assert_ours_alone(text, hooked, theirs)
    assert str(theirs.tenant_id) not in json.dumps(await hook.deliveries())


async def test_a_key_without_the_right_gets_no_stream_at_all(hooked: HookedStreet):
    async with await client_of_tenant(hooked.gateways, hooked.tenant_id, "spaces:*") as client:
        assert (await client.get(PATH)).status_code == httpx.codes.FORBIDDEN
