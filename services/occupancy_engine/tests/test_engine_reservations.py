"""The reservation layer through the real engine: windows that open and end, repeated and overtaken events."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.reservation import ReservationOpened, ReservationReleased, ReservationUpdated
from stack.platform import Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FREE, RESERVED, OCCUPIED = ("free", "default"), ("reserved", "reservation"), ("occupied", "sensor")


async def opened(town: Platform, space_id: UUID, reservation: UUID, *, since=NOW, until=NOW + HOUR) -> None:
    event = ReservationOpened(
        tenant_id=town.tenant_id, space_id=space_id, reservation_id=reservation, since=since, until=until
    )
    await send(town, space_id, "opened", msgspec.json.encode(event))


async def updated(town: Platform, space_id: UUID, reservation: UUID, *, until, is_open=True) -> None:
    event = ReservationUpdated(
        tenant_id=town.tenant_id, space_id=space_id, reservation_id=reservation, starts_at=NOW, ends_at=until,
        is_open=is_open, at=NOW,
    )  # fmt: skip
    await send(town, space_id, "updated", msgspec.json.encode(event))


async def released(town: Platform, space_id: UUID, reservation: UUID) -> None:
    event = ReservationReleased(
        tenant_id=town.tenant_id, space_id=space_id, reservation_id=reservation, reason="completed", at=NOW
    )
    await send(town, space_id, "released", msgspec.json.encode(event))


async def send(town: Platform, space_id: UUID, name: str, body: bytes) -> None:
    """Publish and wait until the engine has settled it."""
    jetstream = town.bus.jetstream()
    published = await jetstream.publish(subjects.reservation(town.tenant_id, space_id, name), body)

    async def settled() -> bool:
        floor = (await jetstream.consumer_info("RESERVATIONS", "occupancy_engine")).ack_floor
        return floor is not None and floor.stream_seq >= published.seq  # not `num_pending`, which is counted later

    await eventually(settled)


async def versions(town: Platform, space_id: UUID) -> int:
    return (await town.rows("SELECT version FROM occupancy.spaces WHERE id = $1", space_id))[0]["version"]


async def test_a_window_reserves_its_space_and_its_end_lets_it_go(town: Platform):
    space_id, reservation = await town.space(), uuid4()
    await opened(town, space_id, reservation)
    assert await town.state(space_id) == RESERVED
    await released(town, space_id, reservation)
    assert await town.state(space_id) == FREE
    changes = await town.rows("SELECT source, cause FROM occupancy.state_changes WHERE space_id = $1", space_id)
    assert {tuple(row) for row in changes} == {("reservation", f"reservation:{reservation}")}


async def test_repeated_and_overtaken_events_change_nothing(town: Platform):
    space_id, first, second = await town.space(), uuid4(), uuid4()
    await opened(town, space_id, first)
    await opened(town, space_id, first)
    assert await versions(town, space_id) == 2
    await released(town, space_id, first)
    await opened(town, space_id, second, since=NOW + timedelta(minutes=30))
    before = await versions(town, space_id)
    await opened(town, space_id, first)  # came late: it has let go already
    await released(town, space_id, first)
    await opened(town, space_id, uuid4(), since=NOW - HOUR)  # an older window than the one that holds
    assert await town.state(space_id) == RESERVED
    await opened(town, space_id, second, since=NOW + timedelta(minutes=30))
    assert await versions(town, space_id) == before
    await released(town, space_id, second)
    assert await town.state(space_id) == FREE


async def test_a_release_that_overtakes_its_opening_wins(town: Platform):
    space_id, reservation = await town.space(), uuid4()
    await released(town, space_id, reservation)
    await opened(town, space_id, reservation)
    assert await town.state(space_id) == FREE


async def test_the_end_of_an_open_window_moves_with_its_reservation(town: Platform):
    space_id, reservation = await town.space(), uuid4()
    await updated(town, space_id, reservation, until=NOW + HOUR, is_open=False)
    assert await town.state(space_id) == FREE
    await opened(town, space_id, reservation)
    await updated(town, space_id, reservation, until=NOW + 2 * HOUR)
    row = (await town.rows("SELECT reservation_until, version FROM occupancy.spaces WHERE id = $1", space_id))[0]
    assert tuple(row) == (NOW + 2 * HOUR, 2)
    await updated(town, space_id, uuid4(), until=NOW + 3 * HOUR)  # another one has no say in it
    await released(town, space_id, reservation)
    assert await town.state(space_id) == FREE
    await updated(town, space_id, reservation, until=NOW + 3 * HOUR)  # came late: it has let go already
    assert await town.state(space_id) == FREE


async def test_one_that_was_open_beside_another_holds_the_space_alone_afterwards(town: Platform):
    space_id, later, sooner = await town.space(), uuid4(), uuid4()
    await opened(town, space_id, later, since=NOW - MINUTE)
    await opened(town, space_id, sooner)
    await released(town, space_id, sooner)
    await updated(town, space_id, later, until=NOW + HOUR)
    assert await town.state(space_id) == RESERVED
    await released(town, space_id, later)
    assert await town.state(space_id) == FREE


async def test_a_window_whose_release_never_comes_ends_at_its_bound(town: Platform):
    space_id, reservation = await town.space(), uuid4()
    await opened(town, space_id, reservation, until=datetime.now(UTC) + timedelta(seconds=2))
    assert await town.state(space_id) == RESERVED

    async def free_again() -> bool:
        return await town.state(space_id) == FREE

    await eventually(free_again)
    before = await versions(town, space_id)
    await opened(town, space_id, reservation, until=NOW)
    assert await versions(town, space_id) == before


async def test_neither_a_vacant_keep_alive_nor_the_end_of_a_reservation_moves_the_other_layer(town: Platform):
    eui, reservation = town.new_eui(), uuid4()
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, False))
    await opened(town, space_id, reservation)
    await town.hear(town.uplink(eui, 2, False))
    assert await town.state(space_id) == RESERVED
    await town.hear(town.uplink(eui, 3, True))
    assert await town.state(space_id) == OCCUPIED
    await released(town, space_id, reservation)
    assert await town.state(space_id) == OCCUPIED


async def test_events_that_fit_no_space_or_no_contract_stop_nothing(town: Platform):
    space_id, letters = await town.space(), await town.last_letter()
    await opened(town, uuid4(), uuid4())
    await send(town, space_id, "overstayed", b"{}")  # of a later version of the contracts
    await send(town, space_id, "opened", b"not json")
    await send(town, space_id, "released", b'{"tenant_id": 1}')
    codes = [letter.code.value for letter in await town.letters_after(letters, 2)]
    assert codes == ["invalid_event"] * 2
    await opened(town, space_id, uuid4())
    assert await town.state(space_id) == RESERVED


async def test_a_change_that_waited_for_its_space_is_stamped_when_it_has_it(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)

    async with town.database.transaction():
        await town.database.execute("SELECT FROM occupancy.spaces WHERE id = $1 FOR UPDATE", space_id)
        await town.publish(town.uplink(eui, 1, occupied=True))
        await eventually(lambda: waits_for_a_lock(town))
        let_go_at = await town.database.fetchval("SELECT clock_timestamp()")
    await eventually(lambda: town.rows("SELECT 1 FROM occupancy.state_changes WHERE space_id = $1", space_id))

    changes = await town.rows("SELECT changed_at FROM occupancy.state_changes WHERE space_id = $1", space_id)
    assert [row["changed_at"] > let_go_at for row in changes] == [True]


async def waits_for_a_lock(town: Platform) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await town.rows(waiting))
