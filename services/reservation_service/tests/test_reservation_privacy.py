"""People can have what is kept about them, and can be forgotten: no table, stream or log knows them afterwards."""

from collections.abc import Sequence

import pytest
from nats.js.errors import NotFoundError

from parking_contracts.errors import Refusal
from parking_contracts.reservation_commands import (
    CancelReservation,
    CreateReservation,
    ErasePerson,
    ExportPerson,
    UpdateReservation,
)
from parking_contracts.streams import STREAMS
from stack.car_park import HOUR, Lot, now
from stack.services import Service
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL, OLD_EMAIL, PHONE, PLATE = "Ada.Lovelace@Example.org", "countess@example.org", "+41791234567", "ZH-1815"
PERSON = (EMAIL, OLD_EMAIL, PHONE, PLATE)
TABLES = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


async def tables_that_know(lot: Lot, texts: Sequence[str]) -> set[str]:
    """Every table of the database with a row that holds one of these texts, in any case, plain or as bytes."""
    wanted = [text.lower() for text in texts] + [text.encode().hex() for text in texts]
    wanted += [text.lower().encode().hex() for text in texts]
    knowing = set()
    for (table,) in await lot.town.rows(TABLES):
        rows = await lot.town.rows(
            f"SELECT FROM {table} t, unnest($1::text[]) w WHERE position(w IN lower(t::text)) > 0 LIMIT 1", wanted
        )
        if rows:
            knowing.add(table)
    return knowing


async def streams_that_know(lot: Lot, texts: Sequence[str]) -> set[str]:
    """Every stream with a message that holds one of these texts."""
    jetstream, knowing = lot.town.bus.jetstream(), set()
    for stream in STREAMS:
        state = (await jetstream.stream_info(stream.name)).state
        for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
            try:
                message = await jetstream.get_msg(stream.name, sequence)
            except NotFoundError:
                continue  # handled, and gone
            whole = f"{message.subject} {message.headers} {(message.data or b'').decode()}".lower()
            if any(text.lower() in whole for text in texts):
                knowing.add(stream.name)
    return knowing


async def test_an_erased_person_leaves_no_trace(lot: Lot, reservation_service: Service):
    start = now() + HOUR
    details = {"email": OLD_EMAIL, "phone": PHONE, "metadata": {"plate": PLATE}}
    first = CreateReservation(space_id=await lot.space(), starts_at=start, ends_at=start + HOUR, **details)
    made = await lot.ask(first, idempotency_key="k1", body_sha256="a")
    changed = UpdateReservation(id=made["id"], email=EMAIL)
    await lot.ask(changed, idempotency_key="k2", body_sha256="b")
    await lot.ask(CancelReservation(id=made["id"]), idempotency_key="k3", body_sha256="c")
    held = await lot.book(await lot.space(), now(), now() + HOUR, email=EMAIL.lower(), metadata={"plate": PLATE})
    bystander = await lot.book(await lot.space(), start, start + HOUR, email="bob@example.org")

    exported = await lot.ask(ExportPerson(email=EMAIL, phone=PHONE), idempotency_key="k4", body_sha256="d")
    assert {one["id"] for one in exported["reservations"]} == {made["id"], held["id"]}
    assert await tables_that_know(lot, PERSON) == {"reservation.reservations", "reservation.inbox"}
    assert await streams_that_know(lot, PERSON) == set()

    person = ErasePerson(email=EMAIL, phone=PHONE)
    assert await lot.ask(person, idempotency_key="k5", body_sha256="e") == {"reservations": 2}
    assert await tables_that_know(lot, [EMAIL, PHONE, PLATE]) == set()
    assert await tables_that_know(lot, [OLD_EMAIL]) == set(), "an answer from before the e-mail was changed"
    assert await streams_that_know(lot, PERSON) == set()
    assert not any(text in reservation_service.log.read_text() for text in PERSON)

    row = await lot.row(held)
    assert (row["status"], row["email"], row["erased_at"] is not None) == ("active", None, True)
    assert (await lot.row(bystander))["email"] == "bob@example.org"
    assert (await lot.ask(ExportPerson(email=EMAIL)))["reservations"] == []
    assert await lot.ask(person) == {"reservations": 0}


async def test_a_person_is_looked_for_in_one_tenant_alone(lot: Lot, city):
    neighbour = Lot(await city.town())
    theirs = await neighbour.book(await neighbour.space(), now() + HOUR, now() + 2 * HOUR, email=EMAIL)
    assert (await lot.ask(ExportPerson(email=EMAIL)))["reservations"] == []
    assert await lot.ask(ErasePerson(email=EMAIL)) == {"reservations": 0}
    assert (await neighbour.row(theirs))["email"] == EMAIL


async def test_nobody_is_not_a_person(lot: Lot):
    for body in (ExportPerson(), ErasePerson()):
        refusal = await lot.ask(body)
        assert isinstance(refusal, Refusal)
        assert refusal.details["field"] == "email"


async def test_personal_data_and_kept_answers_go_by_themselves(lot: Lot, reservation_env, tmp_path):
    body = CreateReservation(space_id=await lot.space(), starts_at=now() + HOUR, ends_at=now() + 2 * HOUR, email=EMAIL)
    made = await lot.ask(body, idempotency_key="k9", body_sha256="a")
    gone = await lot.ask(CancelReservation(id=made["id"]))
    await lot.town.rows(
        "UPDATE reservation.reservations SET starts_at = now() - interval '91 days', "
        "ends_at = now() - interval '90.5 days' WHERE tenant_id = $1",
        lot.tenant_id,
    )
    at_once = {"PARKSTREAM_RESERVATION_UPKEEP_SECONDS": "0.1", "PARKSTREAM_KEEP_RESERVATION_ANSWERS_HOURS": "0.00001"}
    keeper = Service("reservation_service", reservation_env | at_once, tmp_path / "keeper.log")
    await keeper.start()
    try:
        await lot.until(gone, email=None, erased_at=...)

        async def forgotten() -> bool:
            return not await lot.town.rows("SELECT FROM reservation.inbox WHERE tenant_id = $1", lot.tenant_id)

        await eventually(forgotten)
    finally:
        keeper.stop()
