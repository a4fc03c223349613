"""One answer for all who ask at about the same time, one failure for all who waited for it, and a new try after it."""

import asyncio

import pytest

from api_gateway.dashboard.shared_answer import SharedAnswers


class Maker:
    """Makes answers when let, and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.may = asyncio.Event()

    async def __call__(self) -> bytes:
        self.made += 1
        number = self.made
        await self.may.wait()
        if number == 1 and self.fails_first:
            raise ConnectionRefusedError("away")
        return b"%d" % number

    fails_first = False


async def test_who_asks_together_gets_one_answer_and_other_keys_their_own() -> None:
    shared, make = SharedAnswers(), Maker()
    asked = [asyncio.create_task(shared.get(key, make)) for key in ("a", "a", "b", "a")]
    await asyncio.sleep(0)
    make.may.set()
    assert await asyncio.gather(*asked) == [b"1", b"1", b"2", b"1"]
    assert await shared.get("a", make) == b"1"


async def test_an_old_answer_is_made_anew() -> None:
    shared, make = SharedAnswers(fresh_seconds=0), Maker()
    make.may.set()
    assert [await shared.get("a", make) for _ in range(3)] == [b"1", b"2", b"3"]


async def test_who_comes_while_an_answer_is_made_anew_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, make = SharedAnswers(fresh_seconds=10), Maker()
    loop = asyncio.get_running_loop()
    began = loop.time()
    make.may.set()
    assert await shared.get("a", make) == b"1"
    make.may.clear()
    monkeypatch.setattr(loop, "time", lambda: began + 15)
    assert [await shared.get("a", make) for _ in range(3)] == [b"1"] * 3
    await asyncio.sleep(0)
    assert make.made == 2
    make.may.set()
    await asyncio.sleep(0)
    assert await shared.get("a", make) == b"2"


async def test_a_failure_goes_to_all_who_waited_and_is_not_kept() -> None:
    shared, make = SharedAnswers(), Maker()
    make.fails_first = True
    asked = [asyncio.create_task(shared.get("a", make)) for _ in range(3)]
    await asyncio.sleep(0)
    make.may.set()
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in failures] == [ConnectionRefusedError] * 3
    assert await shared.get("a", make) == b"2"


async def test_who_goes_away_takes_nobodys_answer_with_him() -> None:
    shared, make = SharedAnswers(), Maker()
    gone, stays = (asyncio.create_task(shared.get("a", make)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    make.may.set()
    assert await stays == b"1"
