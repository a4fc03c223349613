"""What a killed Mosquitto acknowledged before anybody listened to it again is its own loss, and nothing else is."""

from types import SimpleNamespace
from typing import cast

import pytest

from chaos import nemesis
from chaos.checker import check
from chaos.evidence import Evidence
from chaos.expectation import microseconds
from chaos.ledger import Ledger, SentUplink
from chaos.nemesis import Devices, Fault, Kind, Nemesis
from chaos.test_chaos_checker import EUIS, at, intact, kill_broker
from chaos.world import World

LOST = 2  # acknowledged at that second; the broker died at 0 and lived again at 1
ID = f"{EUIS[0]}/{LOST}"


def subscribe(evidence: Evidence, connected: int, granted: int) -> None:
    evidence.ledger.subscriptions.append((microseconds(at(connected)), microseconds(at(granted))))


def without_one(*subscriptions: tuple[int, int], killed: bool = True) -> Evidence:
    """A world that lost a frame; ingestors' connections begin and are granted their subscription then."""
    evidence = intact()
    del evidence.readings[LOST]
    if killed:
        kill_broker(evidence, at(0))
    for connected, granted in subscriptions:
        subscribe(evidence, connected, granted)
    return evidence


def judged(evidence: Evidence) -> tuple[int, int]:
    """How many were lost by us, and by the broker."""
    verdict = check(evidence)
    return sum(found.count for found in verdict.findings if found.kind == "lost"), len(verdict.broker_lost)


def test_what_it_acknowledged_before_an_ingestor_was_back_is_its_own_loss() -> None:
    assert judged(without_one((2, 3))) == (0, 1)


def test_what_it_passed_on_to_us_is_ours() -> None:
    delivered, taken = without_one((2, 3)), without_one((2, 3))
    delivered.ledger.delivered.add(ID)
    taken.ledger.taken.add(ID)
    assert judged(delivered) == judged(taken) == (1, 0)


def test_what_it_passed_on_in_its_last_seconds_may_die_with_it() -> None:
    """Nobody delivers it again."""
    evidence = without_one()
    kill_broker(evidence, at(LOST + 1))
    evidence.ledger.delivered.add(ID)
    assert judged(evidence) == (0, 1)


def test_what_it_acknowledged_after_an_ingestor_was_back_is_ours() -> None:
    assert judged(without_one((1, LOST))) == (1, 0)


def test_the_first_ingestor_to_be_back_counts() -> None:
    assert judged(without_one((4, 5), (1, LOST))) == (1, 0)


def test_a_connection_with_the_broker_that_died_says_nothing_of_the_new_one() -> None:
    """Its SUBACK may have been held up."""
    assert judged(without_one((-1, 1), (2, 3))) == (0, 1)


def test_an_ingestor_that_never_comes_back_excuses_nothing() -> None:
    assert judged(without_one()) == judged(without_one((-9, -8))) == (1, 0)


def test_without_a_kill_nothing_is_excused() -> None:
    assert judged(without_one((-1, 0), (2, 3), killed=False)) == (1, 0)


def test_a_fate_tells_what_came_of_a_delivery() -> None:
    ledger, sent = Ledger(), SentUplink(0, EUIS[0], 1, 1, None, 0, ids={ID})
    assert ledger.fate(sent).endswith("delivered to us: no")
    ledger.delivered.add(ID)
    assert ledger.fate(sent).endswith("delivered to us: yes")
    ledger.taken.add(ID)
    assert ledger.fate(sent).endswith("delivered to us: acknowledged by us")


class Broker:
    """A component that is none."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def kill(self) -> None: ...


@pytest.mark.parametrize("target", ["mosquitto", "mqtt_listener"])
@pytest.mark.parametrize("kind", nemesis.ON_COMPONENTS)
async def test_only_a_kill_of_mosquitto_is_noted(kind: Kind, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No SIGTERM, no pause and no cut-off opens a window, and none of the embedded listener's ends."""
    for name in ("pause", "resume"):
        monkeypatch.setattr(nemesis, name, lambda _: None)
    world = SimpleNamespace(ledger=Ledger(), components={target: Broker()}, links_of=lambda _: [])

    async def rejoin() -> None: ...

    devices = Devices(lambda _: None, rejoin)
    await Nemesis(cast("World", world), devices, lambda *_: None).overlap([Fault(0, kind, target, 0)])
    assert bool(world.ledger.broker_kills) == (kind is Kind.KILL and target == "mosquitto")
