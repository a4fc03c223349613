"""What a series runs, and what its report says."""

import itertools

import msgspec
import pytest

from chaos.checker import Finding
from chaos.nemesis import Done, Fault, Kind
from chaos.report import Report, Round
from chaos.series import Series, rounds_of
from parkstream.errors import OperatorError


def a_round(**changes: object) -> Round:
    faults = [
        Done(Fault(1.0, Kind.KILL, "occupancy_engine-0", 2.0), 1.0, 3.0, caught_up=4.5),
        Done(Fault(6.0, Kind.KILL, "occupancy_engine-1", 2.0), 6.0, 8.0, caught_up=1.5),
        Done(Fault(9.0, Kind.REJOIN, "devices", 0.0), 9.0, 9.0, caught_up=None, last="3 uplinks"),
    ]
    given = {"seed": 7, "broker": "mosquitto", "replicas": 2, "dense": False, "seconds": 90.0, "faults": faults}
    return Round(**{**given, "counts": {"uplinks": 1_200}, "findings": [], **changes})


def test_a_series_uses_both_brokers_one_and_two_replicas_and_both_kinds_of_rounds() -> None:
    rounds = list(itertools.islice(rounds_of(Series(seed=1, minutes=30)), 16))
    assert [one.seed for one in rounds] == list(range(1, 17))
    assert {(one.broker, one.replicas, one.dense) for one in rounds} == {
        ("mosquitto", 1, False),
        ("mosquitto", 1, True),
        ("mosquitto", 2, False),
        ("mosquitto", 2, True),
        ("embedded", 1, False),
        ("embedded", 1, True),
    }


def test_a_short_series_is_one_dense_round() -> None:
    (only,) = rounds_of(Series(seed=1, minutes=5, broker="embedded", short=True))
    assert (only.broker, only.dense) == ("embedded", True)


def test_an_unknown_broker_is_refused() -> None:
    with pytest.raises(OperatorError, match="--broker emqx is not known"):
        next(rounds_of(Series(seed=1, minutes=1, broker="emqx")))


def test_a_report_adds_up_rounds_and_gives_recovery_by_component() -> None:
    text = Report([a_round(), a_round(seed=8)]).to_markdown()
    assert "2 rounds, 6 faults in 3 minutes." in text
    assert "| uplinks | 2,400 |" in text
    assert "| occupancy_engine | 4 | 3.0 | 4.5 | 4.5 |" in text
    assert "| lost | 0 |" in text


def test_a_report_tells_of_findings_with_their_seed_and_examples() -> None:
    report = Report([a_round(findings=[Finding("lost", "uplinks", 2, ("one", "two"))])])
    assert report.has_findings
    text = report.to_markdown()
    assert "seed 7: lost: 2 uplinks" in text
    assert "- `two`" in text
    assert msgspec.json.decode(report.to_json())["rounds"][0]["findings"][0]["count"] == 2
