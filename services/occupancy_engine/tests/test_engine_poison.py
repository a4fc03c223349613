"""What can never succeed, on the stream itself: a dead letter that says why, and the neighbours unharmed."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from parking_contracts.uplink import Reception
from stack.platform import Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def altered(town: Platform, eui: str, **fields) -> bytes:
    """An uplink as JSON with some fields replaced by what they should not be."""
    return msgspec.json.encode(msgspec.json.decode(msgspec.json.encode(town.uplink(eui, 1, True))) | fields)


MALFORMED = {
    "not JSON": b"not json",
    "empty": b"",
    "a list": b"[]",
    "nothing in it": b"{}",
    "invalid UTF-8": b'{"source":"\xff\xfe"}',
    "NaN": b'{"f_cnt":NaN}',
    "infinity": b'{"f_cnt":Infinity}',
    "deep": b"[" * 5000,
}
WRONG = {
    "a text count": {"f_cnt": "one"},
    "a fractional count": {"f_cnt": 1.5},
    "a count below zero": {"f_cnt": -1},
    "a count beyond 32 bits": {"f_cnt": 1 << 32},
    "a count beyond 64 bits": {"f_cnt": 1 << 70},
    "a port beyond 8 bits": {"f_port": 256},
    "an rssi beyond 16 bits": {"receptions": [{"gateway_id": "g", "rssi": -40_000}]},
    "an snr that is none": {"receptions": [{"gateway_id": "g", "snr": 1e300}]},
    "a naive time": {"time": "2026-01-01T00:00:00"},
    "no time at all": {"received_at": "yesterday"},
    "data that is no base64": {"data": "%%%"},
}
IMPOSSIBLE = {
    "a NUL in an address": {"dev_addr": "nul\x00"},
    "a NUL in a reception": {"receptions": [{"gateway_id": "\x00"}]},
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_uplink_is_set_aside_whole(town: Platform, body):
    letters, subject = await town.last_letter(), f"parking.v1.uplink.{town.new_eui()}"
    await town.bus.jetstream().publish(subject, body)
    (letter,) = await town.letters_after(letters, 1)
    assert (letter.code.value, letter.address, letter.body) == ("invalid_event", subject, body)
    assert letter.detail
    await eventually(town.idle)


@pytest.mark.parametrize(
    ("fields", "code"),
    [(fields, "invalid_event") for fields in WRONG.values()]
    + [(fields, "invalid_value") for fields in IMPOSSIBLE.values()],
    ids=[*WRONG, *IMPOSSIBLE],
)
async def test_a_value_that_cannot_be_is_set_aside_and_its_neighbours_are_taken_in(town: Platform, fields, code):
    eui, letters = town.new_eui(), await town.last_letter()
    space_id = await town.space(eui)
    jetstream = town.bus.jetstream()
    subject = f"parking.v1.uplink.{eui}"
    bodies = [msgspec.json.encode(town.uplink(eui, n, n == 2)) for n in (0, 2)]
    bodies.insert(1, altered(town, eui, **fields))
    await asyncio.gather(*(jetstream.publish(subject, body) for body in bodies))
    (letter,) = await town.letters_after(letters, 1)
    assert (letter.code.value, letter.body) == (code, bodies[1])
    await eventually(town.idle)
    assert await town.state(space_id) == ("occupied", "sensor")
    stored = await town.rows("SELECT f_cnt FROM occupancy.sensor_readings WHERE dev_eui = $1 ORDER BY 1", eui)
    assert [row["f_cnt"] for row in stored] == [0, 2]


@pytest.mark.parametrize("year", [1, 1970, 2099, 9999])
async def test_absurd_dates_do_not_move_what_happened(town: Platform, year):
    eui = town.new_eui()
    space_id = await town.space(eui)
    absurd, now = datetime(year, 1, 1, tzinfo=UTC), datetime.now(UTC)
    odd = {"time": absurd, "receptions": (Reception(gateway_id="g", ns_time=absurd),), "received_at": now}
    await town.hear(town.uplink(eui, 1, True, **odd), town.uplink(eui, 2, False, **odd, dev_addr="0000000b"))
    assert await town.stays(space_id) == [(now, now)]
    assert await town.state(space_id) == ("free", "sensor")


async def test_a_payload_of_a_mebibyte_is_stored_and_its_letter_is_an_excerpt(town: Platform):
    eui, letters = town.new_eui(), await town.last_letter()
    await town.space(eui)
    await town.hear(town.uplink(eui, 1, True, data=b"\xa5" * (1 << 20)), town.uplink(eui, 2, True))
    (letter,) = await town.letters_after(letters, 1)
    assert (letter.code.value, letter.truncated, len(letter.body)) == ("codec_failure", True, 64 << 10)
    rows = await town.rows(
        "SELECT length(payload) AS length FROM occupancy.sensor_readings WHERE dev_eui = $1 ORDER BY f_cnt", eui
    )
    assert [row["length"] for row in rows] == [1 << 20, 1]


@pytest.mark.parametrize(("f_port", "data"), [(9, b"\x01"), (1, b"\x01\x02"), (3, b"\x24\x03"), (223, b"")])
async def test_a_frame_its_codec_cannot_read_counts_on_its_device(town: Platform, f_port, data):
    eui, letters = town.new_eui(), await town.last_letter()
    await town.space(eui)
    await town.hear(town.uplink(eui, 1, True, f_port=f_port, data=data))
    expected = 1 if data else 0
    assert len(await town.letters_after(letters, expected)) == expected
    (row,) = await town.rows("SELECT decoder_errors, last_error FROM occupancy.devices WHERE dev_eui = $1", eui)
    assert (row["decoder_errors"], bool(row["last_error"])) == (expected, bool(expected))


async def test_an_unexpected_error_isolates_its_message_and_gives_up_after_five_attempts(town: Platform):
    cursed, blessed = town.new_eui(), [town.new_eui() for _ in range(5)]
    letters = await town.last_letter()
    await town.database.execute(
        f"ALTER TABLE occupancy.sensor_readings ADD CONSTRAINT curse CHECK (dev_eui <> '{cursed}')"
    )
    try:
        frames = [town.uplink(eui, n, n == 2) for n in (1, 2) for eui in (*blessed, cursed)]
        jetstream = town.bus.jetstream()
        for frame in frames:
            await jetstream.publish(f"parking.v1.uplink.{frame.dev_eui}", msgspec.json.encode(frame))

        async def blessed_are_in() -> bool:
            rows = await town.rows("SELECT 1 FROM occupancy.sensor_readings WHERE tenant_id = $1", town.tenant_id)
            return len(rows) == 10

        await eventually(blessed_are_in, 5)
        one, two = await town.letters_after(letters, 2)
    finally:
        await town.database.execute("ALTER TABLE occupancy.sensor_readings DROP CONSTRAINT curse")
    assert {one.code.value, two.code.value} == {"unexpected_error"}
    assert {one.attempts, two.attempts} == {5}
    assert "curse" in one.detail
    await eventually(town.idle)
    await jetstream.publish(one.address, one.body)
    await eventually(town.idle)
    assert len(await town.rows("SELECT 1 FROM occupancy.sensor_readings WHERE dev_eui = $1", cursed)) == 1
