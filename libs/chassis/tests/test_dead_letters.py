"""A dead letter keeps what is needed to understand, mend and replay a message, and no more."""

import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_contracts.errors import DeadLetter, DeadLetterCode

NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)
POISON = PoisonError(DeadLetterCode.INVALID_VALUE, "fCnt is -1")


def letter_of(body: bytes, *, address: str = "a/b", received_at: datetime = NOW) -> DeadLetter:
    return dead_letter(
        POISON, service="tester", origin="mqtt", address=address, body=body, received_at=received_at, source="s"
    )


def test_it_carries_reason_address_and_bytes():
    letter = letter_of(b"\x00\xff")
    assert (letter.code, letter.detail, letter.address, letter.body) == (POISON.code, "fCnt is -1", "a/b", b"\x00\xff")
    assert msgspec.json.decode(encode_dead_letter(letter), type=DeadLetter) == letter
    assert subject_of(letter) == "parking.v1.dead.tester.invalid_value"


@pytest.mark.parametrize(("size", "kept"), [(0, 0), (256 << 10, 256 << 10), ((256 << 10) + 1, 64 << 10)])
def test_a_large_body_is_kept_as_its_beginning_its_size_and_its_digest(size: int, kept: int):
    body = bytes(size)
    letter = letter_of(body)
    assert (len(letter.body), letter.size_bytes, letter.truncated) == (kept, size, kept != size)
    assert letter.sha256 == hashlib.sha256(body).hexdigest()


def test_ids_tell_messages_addresses_and_receipts_apart():
    later = datetime(2026, 7, 23, tzinfo=UTC)
    letters = [letter_of(b"x"), letter_of(b"y"), letter_of(b"x", address="c"), letter_of(b"x", received_at=later)]
    assert len({letter.id for letter in letters}) == 4
    assert letter_of(b"x").id == letters[0].id


def test_what_a_stranger_wrote_cannot_blow_the_letter_up():
    poison = PoisonError(DeadLetterCode.INVALID_TOPIC, "x" * 10_000)
    letter = dead_letter(poison, service="tester", origin="mqtt", address="t" * 70_000, body=b"", received_at=NOW)
    assert (len(letter.detail), len(letter.address)) == (2000, 1000)
