"""Replays: past events sent again from an event id or a time, bounded, with their progress to be seen."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from api_gateway.webhooks.replays import find_position
from stack.hooked_streets import HookedStreet
from stack.waiting import eventually
from stack.webhook_events import QUICK, Hook, Street

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    return {**QUICK, "PARKSTREAM_WEBHOOK_REPLAY_COUNT": "300"}


async def position(hooked: HookedStreet) -> str:
    jetstream = hooked.bus.jetstream()
    ends = [(await jetstream.stream_info(stream)).state.last_seq for stream in ("SPACES", "RESERVATIONS")]
    return f"{ends[0]}.{ends[1]}"


async def finished(hook: Hook, replay: dict[str, Any]) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        shown = (await hook.api.get(f"{hook.path}/replays/{replay['id']}")).json()
        return shown if shown["state"] != "running" else None

    return await eventually(look, 20)


async def test_events_behind_an_id_are_sent_again_with_their_ids(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook()
    before = [await hooked.street.change() for _ in range(3)]
    place = await position(hooked)
    await (await hooked.stranger()).street.change()
    sent = [await hooked.street.change() for _ in range(5)] + [await hooked.street.reserve()]
    await hook.delivered(9)
    answer = await hook.post("replay", {"after": place})
    assert answer.status_code == 202, answer.text
    replay = await finished(hook, answer.json())
    assert (replay["state"], replay["deliveries"], replay["lost"]) == ("done", 6, False)
    assert (replay["after"], replay["position"], replay["until"]) == (place, replay["until"], await position(hooked))
    await hook.delivered(15)
    assert sorted(receiver.ids) == sorted(before + sent * 2)
    again = [one for one in await hook.deliveries() if one["replay"]]
    assert {one["replay"] for one in again} == {replay["number"]}
    assert [one["event_id"] for one in again if one["stream"] == "SPACES"] == sent[:5]
    listed = (await hook.api.get(f"{hook.path}/replays")).json()["items"]
    assert [one["id"] for one in listed] == [replay["id"]]


async def test_what_was_missed_while_disabled_is_brought_by_a_replay(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook(event_types=["space.state_changed"])
    _, witness = await hooked.hook()
    await hook.change(enabled=False)
    began = datetime.now(UTC)
    missed = [await hooked.street.change() for _ in range(3)]
    await hooked.street.reserve()
    await witness.gets(4)
    await hook.change(enabled=True)
    answer = await hook.post("replay", {"since": began.isoformat()})
    replay = await finished(hook, answer.json())
    assert (replay["state"], replay["deliveries"]) == ("done", 3)
    await hook.delivered(3)
    assert sorted(receiver.ids) == sorted(missed)


@pytest.mark.parametrize(
    ("since", "is_all"),
    [
        ("0001-01-01T00:00:00+14:00", True),
        ("1600-01-01T00:00:00Z", True),
        ("1970-01-01T00:00:00Z", True),
        ("2300-01-01T00:00:00Z", False),
        ("9999-12-31T23:59:59-14:00", False),
    ],
)
async def test_years_far_from_ours_are_before_or_after_everything(
    hooked: HookedStreet, since: str, is_all: bool
) -> None:
    await hooked.street.change()
    found = await find_position(hooked.bus, hooked.tenant_id, datetime.fromisoformat(since))
    last = (await hooked.bus.jetstream().stream_info("SPACES")).state.last_seq
    assert found[0] == (last - 1 if is_all else last)


async def test_many_events_are_replayed_page_by_page_and_cut_at_the_bound(hooked: HookedStreet) -> None:
    place = await position(hooked)
    sent = await _many(hooked.street, 450)
    # What was not looked at yet would also come live to an endpoint that is made in time.
    await eventually(lambda: _all_looked_at(hooked))
    hook, receiver = await hooked.hook()
    replay = await finished(hook, (await hook.post("replay", {"after": place})).json())
    assert (replay["state"], replay["deliveries"]) == ("cut", 300)
    rest = await finished(hook, (await hook.post("replay", {"after": replay["position"]})).json())
    assert (rest["state"], rest["deliveries"]) == ("done", 150)
    await receiver.gets(450)
    assert sorted(receiver.ids) == sorted(sent)


async def _many(street: Street, count: int) -> list[str]:
    return [each for _ in range(count // 50) for each in await asyncio.gather(*(street.change() for _ in range(50)))]


async def _all_looked_at(hooked: HookedStreet) -> bool:
    consumer = await hooked.bus.jetstream().consumer_info("SPACES", "api_gateway")
    return consumer.num_pending == 0 and consumer.num_ack_pending == 0


async def test_a_place_that_the_streams_no_longer_hold_is_told(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    jetstream = hooked.bus.jetstream()
    await hooked.street.change()
    last = (await jetstream.stream_info("SPACES")).state.last_seq
    kept = await hooked.street.change()
    await jetstream.purge_stream("SPACES", seq=last + 1)
    replay = await finished(hook, (await hook.post("replay", {"after": "0.0"})).json())
    assert (replay["lost"], replay["deliveries"], replay["state"]) == (True, 1, "done")
    ahead = await finished(hook, (await hook.post("replay", {"after": "999999.999999"})).json())
    assert (ahead["lost"], ahead["deliveries"]) == (True, 0)
    assert kept in {one["event_id"] for one in await hook.deliveries()}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"after": "1.1", "since": "2026-05-04T10:00:00Z"},
        {"after": "yesterday"},
        {"after": "1.-2"},
        {"since": "2026-05-04T10:00:00"},
        {"since": "soon"},
    ],
)
async def test_a_place_that_cannot_be_read_is_422(hooked: HookedStreet, body: dict) -> None:
    hook, _ = await hooked.hook()
    assert (await hook.post("replay", body)).status_code == 422


async def test_one_replay_of_an_endpoint_at_a_time(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    await hooked.sql.execute(
        "INSERT INTO gateway.webhook_replays (tenant_id, endpoint_id, spaces_after, spaces_position, spaces_until, "
        "reservations_after, reservations_position, reservations_until) VALUES ($1, $2, 0, 0, 0, 0, 0, 0)",
        *(hooked.tenant_id, uuid.UUID(hook.id)),
    )
    answer = await hook.post("replay", {"after": "0.0"})
    assert answer.status_code in {202, 409}  # the first may have ended before the second was asked for
    await eventually(lambda: _none_runs(hook))


async def _none_runs(hook: Hook) -> bool:
    listed = (await hook.api.get(f"{hook.path}/replays")).json()["items"]
    return all(one["state"] != "running" for one in listed)
