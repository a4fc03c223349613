"""Figures of the past over HTTP: in local days of 23 and 25 hours, by place and kind, and as it was at an instant."""

import statistics
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from api_gateway.statistics.history.models import Dwell, OccupancyHistory, Peaks, Profile, Turnover
from occupancy_engine.rollups import Rollups
from occupancy_engine.settings import EngineSettings
from parking_chassis.postgres import open_pool
from stack.http_client import http_client

PATH = "/api/v6/statistics"
MADE = datetime(2026, 3, 20, tzinfo=UTC)
SPRING = "from=2026-03-28&to=2026-03-31"  # 29 March has 23 hours in Zurich


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@dataclass
class Past:
    """Sites whose spaces have stood there since MADE, with stays as rows."""

    sql: asyncpg.Connection
    api: httpx.AsyncClient
    tenant_id: uuid.UUID
    registry: Any
    rollups: Rollups

    async def site(self, time_zone: str = "Europe/Zurich") -> uuid.UUID:
        site = await self.registry.site(self.tenant_id)
        await self.sql.execute("UPDATE occupancy.sites SET time_zone = $2 WHERE id = $1", site, time_zone)
        return site

    async def space(self, site: uuid.UUID, *stays: tuple[str, str | None], **columns: Any) -> uuid.UUID:
        """A space with a sensor and stays from moment to moment."""
        number = next(self.registry.numbers)
        made = {"sensor_eui": f"{number:016x}", "created_at": MADE, **columns}
        space = await self.registry.space(self.tenant_id, site, **made)
        for count, (arrived, departed) in enumerate(stays):
            begin = datetime.fromisoformat(arrived)
            end = datetime.fromisoformat(departed) if departed else None
            await self.sql.execute(
                """INSERT INTO occupancy.stays (tenant_id, space_id, dev_eui, arrived_at, departed_at, arrived_session,
                    arrived_f_cnt, departed_session, departed_f_cnt, received_at)
                VALUES ($1, $2, $3, $4, $5, $4, $6, $5, $6, now())""",
                *(self.tenant_id, space, made["sensor_eui"], begin, end, count),
            )
        return space

    async def compute(self) -> None:
        await self.sql.execute(
            """INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
            SELECT tenant_id, space_id, arrived_at, coalesce(departed_at, now()) FROM occupancy.stays"""
        )
        await self.rollups.keep_up()

    async def ask(self, what: str) -> dict[str, Any]:
        answer = await self.api.get(f"{PATH}/{what}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refusal(self, what: str) -> tuple[int, str]:
        answer = await self.api.get(f"{PATH}/{what}")
        return answer.status_code, answer.json()["message"]


@pytest.fixture
async def past(sql, api, tenant_id, registry, database) -> AsyncIterator[Past]:
    pool = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    yield Past(sql, api, tenant_id, registry, Rollups(pool, refresh_seconds=0.001))
    await pool.close()


def only(series: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = series
    return one


async def test_a_day_on_which_the_clocks_move_has_23_hours_and_each_says_its_offset(past) -> None:
    site = await past.site()
    await past.space(site, ("2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"))  # one hour, over the gap
    await past.compute()
    answer = await past.ask(f"occupancy?{SPRING}&interval=hour")
    OccupancyHistory.model_validate(answer)
    points = only(answer["series"])["points"]
    assert len(points) == 24 + 23 + 24
    spring = [point for point in points if point["day"] == "2026-03-29"]
    assert [point["start"][11:] for point in spring[:3]] == ["00:00:00+01:00", "01:00:00+01:00", "03:00:00+02:00"]
    assert [point["occupied_seconds"] for point in spring[:4]] == [0, 1800, 1800, 0]
    days = only((await past.ask(f"occupancy?{SPRING}"))["series"])["points"]
    assert [(point["day"], point["watched_seconds"]) for point in days] == [
        ("2026-03-28", 86_400),
        ("2026-03-29", 82_800),
        ("2026-03-30", 86_400),
    ]
    assert days[1]["occupancy_rate"] == round(3600 / 82_800, 4)
    assert days[1]["start"] == "2026-03-29T00:00:00+01:00"
    autumn = await past.ask("occupancy?from=2026-10-25&to=2026-10-26&interval=quarter")
    assert len(only(autumn["series"])["points"]) == 100


async def test_half_hours_of_clock_and_offset_are_cut_right(past) -> None:
    howe = await past.site("Australia/Lord_Howe")
    await past.space(howe, ("2026-10-04T01:45+10:30", "2026-10-04T02:45+11:00"))
    kathmandu = await past.site("Asia/Kathmandu")
    await past.space(kathmandu, ("2026-10-04T00:00+05:45", "2026-10-04T00:15+05:45"))
    await past.compute()
    asked = "from=2026-10-04&to=2026-10-05&interval=hour"
    points = only((await past.ask(f"occupancy?{asked}&site={howe}"))["series"])["points"]
    assert [(p["start"][11:], p["watched_seconds"], p["occupied_seconds"]) for p in points[1:4]] == [
        ("01:00:00+10:30", 3600, 900),
        ("02:30:00+11:00", 1800, 900),
        ("03:00:00+11:00", 3600, 0),
    ]
    points = only((await past.ask(f"occupancy?{asked}&site={kathmandu}"))["series"])["points"]
    assert (points[0]["start"], points[0]["occupied_seconds"]) == ("2026-10-04T00:00:00+05:45", 900)
    status, message = await past.refusal(f"occupancy?{asked}")
    assert status == 422
    assert "group_by=site" in message
    assert len((await past.ask(f"occupancy?{asked}&group_by=site"))["series"]) == 2
    together = only((await past.ask("occupancy?from=2026-10-04&to=2026-10-05"))["series"])["points"]
    assert [(p["day"], p["start"], p["occupied_seconds"]) for p in together] == [("2026-10-04", None, 2700)]


async def test_series_and_filters_tell_zones_and_kinds_apart(past) -> None:
    site = await past.site("UTC")
    hour = ("2026-05-04T10:00+00:00", "2026-05-04T11:00+00:00")
    await past.space(site, hour, zone="A")
    await past.space(site, hour, zone="A", kind="ev")
    await past.space(site, zone="B")
    await past.space(site, hour)
    await past.compute()
    day = "from=2026-05-04&to=2026-05-05"
    asked: dict[str, dict[tuple[Any, Any], float]] = {
        "": {(None, None): 3 / 96},
        "group_by=zone": {("A", None): 1 / 24, ("B", None): 0.0, (None, None): 1 / 24},
        "group_by=kind": {(None, "standard"): 2 / 72, (None, "ev"): 1 / 24},
        "group_by=zone&kind=ev": {("A", None): 1 / 24},
        "group_by=kind&zone=A": {(None, "standard"): 1 / 24, (None, "ev"): 1 / 24},
        "zone=B": {(None, None): 0.0},
        "zone=nowhere": {},
        f"site={site}&zone=A&kind=standard": {(None, None): 1 / 24},
    }
    for query, expected in asked.items():
        series = (await past.ask(f"occupancy?{day}&{query}"))["series"]
        rates = {(one["zone"], one["kind"]): one["points"][0]["occupancy_rate"] for one in series}
        assert rates == {key: round(rate, 4) for key, rate in expected.items()}, query
    peaks = await past.ask(f"peak?{day}&group_by=zone")
    Peaks.model_validate(peaks)
    assert [(one["zone"], one["occupied_spaces"], one["start"]) for one in peaks["peaks"]] == [
        (None, 1.0, "2026-05-04T10:00:00Z"),
        ("A", 2.0, "2026-05-04T10:00:00Z"),
    ]
    whole = only((await past.ask(f"peak?{day}"))["peaks"])
    assert (whole["occupied_spaces"], whole["watched_spaces"], whole["occupancy_rate"]) == (3.0, 4.0, 0.75)


async def test_weeks_and_months_begin_where_the_calendar_says(past) -> None:
    site = await past.site("UTC")
    await past.space(site, ("2026-05-01T00:00+00:00", "2026-05-02T00:00+00:00"))
    await past.compute()
    asked = "from=2026-04-29&to=2026-06-01"
    await past.sql.execute("UPDATE occupancy.rollup_sites SET due_until = '2026-04-28'")
    await past.rollups.keep_up()
    weeks = only((await past.ask(f"occupancy?{asked}&interval=week"))["series"])["points"]
    assert [point["day"] for point in weeks] == ["2026-04-29", *(f"2026-05-{n:02}" for n in (4, 11, 18, 25))]
    months = only((await past.ask(f"occupancy?{asked}&interval=month"))["series"])["points"]
    assert [(point["day"], point["watched_seconds"]) for point in months] == [
        ("2026-04-29", 2 * 86_400),
        ("2026-05-01", 31 * 86_400),
    ]


async def test_the_profile_puts_the_same_hours_of_the_same_weekdays_together(past) -> None:
    site = await past.site()
    mondays = [
        ("2026-05-04T10:00+02:00", "2026-05-04T11:00+02:00"),
        ("2026-05-11T10:00+02:00", "2026-05-11T10:30+02:00"),
    ]
    await past.space(site, *mondays)
    await past.compute()
    profile = await past.ask("profile?from=2026-05-04&to=2026-05-18")
    Profile.model_validate(profile)
    assert [len(profile[name]) for name in ("by_weekday_and_hour", "by_hour", "by_weekday")] == [7 * 24, 24, 7]
    full = [cell for cell in profile["by_weekday_and_hour"] if cell["occupied_seconds"]]
    assert [(cell["weekday"], cell["hour"], cell["occupancy_rate"]) for cell in full] == [(1, 10, 0.75)]
    assert profile["by_hour"][10]["occupied_seconds"] == 5400
    assert profile["by_weekday"][0]["occupied_seconds"] == 5400


async def test_turnover_and_dwell_agree_with_the_stays(past) -> None:
    site = await past.site("UTC")
    lengths = [round(30 * 1.07**n) for n in range(120)]
    began = datetime(2026, 5, 4, tzinfo=UTC)
    for number in range(4):
        stays, at = [], began
        for length in lengths[number::4]:
            stays.append((at.isoformat(), (at + timedelta(seconds=length)).isoformat()))
            at += timedelta(seconds=length + 60)
        await past.space(site, *stays, zone="AB"[number % 2])
    await past.compute()
    asked = "from=2026-05-01&to=2026-09-01"
    dwell = await past.ask(f"dwell?{asked}")
    Dwell.model_validate(dwell)
    one = only(dwell["series"])
    assert one["stays"] == 120
    assert one["mean_seconds"] == pytest.approx(statistics.mean(lengths), abs=0.1)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        exact = sorted(lengths)[-(-round(share * 12_000) // 100) - 1]
        assert one[f"{name}_seconds"] == pytest.approx(exact, rel=0.05), name
    assert sum(bar["stays"] for bar in one["histogram"]) == 120
    zones = (await past.ask(f"dwell?{asked}&group_by=zone"))["series"]
    assert [(each["zone"], each["stays"]) for each in zones] == [("A", 60), ("B", 60)]
    turnover = await past.ask(f"turnover?{asked}&interval=month")
    Turnover.model_validate(turnover)
    assert only(turnover["series"])["arrivals"] == 120
    spaces = await past.ask(f"spaces?{asked}&sort=-arrivals&limit=3")
    assert (spaces["total"], [item["arrivals"] for item in spaces["items"]]) == (4, [30, 30, 30])
    assert spaces["items"][0]["occupancy_rate"] > 0


async def test_more_series_than_an_answer_holds_are_refused(past) -> None:
    site = await past.site("UTC")
    await past.sql.execute(
        """INSERT INTO occupancy.zone_days (tenant_id, level, site_id, zone, kind, day, time_zone, starts_at, ends_at,
            computed_until, occupied_seconds, watched_seconds, arrivals, departures, dwell_seconds, peak_occupied,
            peak_watched, quarter_occupied, quarter_watched, hour_occupied, hour_watched, dwell_buckets, dwell_counts)
        SELECT $1, 'zone', $2, zone::text, '', day, 'UTC', day, day + interval '1 day', day, 0, 86400, 1, 0, 0, 0, 0,
            array_fill(0, ARRAY[96]), array_fill(900, ARRAY[96]), array_fill(0, ARRAY[24]),
            array_fill(3600, ARRAY[24]), '{}', '{}'
        FROM generate_series(1, 101) AS zone, generate_series('2026-01-01'::date, '2026-04-10', '1 day') AS day""",
        *(past.tenant_id, site),
    )
    asked = "from=2026-01-01&to=2026-04-11&group_by=zone"
    for what in ("turnover", "occupancy", "occupancy?interval=hour"):
        path, _, interval = what.partition("?")
        status, message = await past.refusal(f"{path}?{asked}&{interval}".rstrip("&"))
        assert (status, message.partition(":")[0]) == (422, "query.interval"), what
    assert len((await past.ask(f"turnover?{asked}&interval=month"))["series"]) == 101
    assert len((await past.ask(f"turnover?{asked}&zone=7"))["series"][0]["points"]) == 100


async def test_today_is_in_up_to_the_moment_that_the_answer_names(past) -> None:
    site = await past.site("UTC")
    now = datetime.now(UTC).replace(microsecond=0)
    await past.space(site, created_at=now - timedelta(days=2))
    await past.compute()
    answer = await past.ask("occupancy")
    until = datetime.fromisoformat(answer["computed_until"])
    assert timedelta(0) <= until - now < timedelta(minutes=1)
    today = only(answer["series"])["points"][-1]
    assert today["day"] == until.date().isoformat()
    assert today["watched_seconds"] == int(
        (until - until.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    )


async def test_what_was_shown_and_what_happened_are_told_apart(past) -> None:
    site = await past.site("UTC")
    late = await past.space(site, ("2026-05-04T10:00+00:00", "2026-05-04T12:00+00:00"), zone="A")
    plain = await past.registry.space(past.tenant_id, site, zone="B", created_at=MADE)
    for version, previous, state, at in ((2, "free", "occupied", 11), (3, "occupied", "free", 13)):
        await past.sql.execute(
            """INSERT INTO occupancy.state_changes (tenant_id, space_id, version, previous, state, layer, reason,
                source, cause, occurred_at, changed_at)
            VALUES ($1, $2, $3, $4, $5, 'sensor', '', 'uplink', 'c', $6, $6)""",
            *(past.tenant_id, late, version, previous, state, datetime(2026, 5, 4, at, tzinfo=UTC)),
        )
    told = {"09:00": ("free", "free"), "10:30": ("free", "occupied"), "12:30": ("occupied", "free")}
    for hour, (shown, happened) in told.items():
        for basis, state in (("shown", shown), ("stays", happened)):
            answer = await past.ask(f"at?at=2026-05-04T{hour}Z&basis={basis}&space={late}")
            assert (answer["space"]["state"], answer["all"]["total"]) == (state, 1), (hour, basis)
    counts = await past.ask("at?at=2026-05-04T13:30:00%2B02:00")
    assert (counts["all"]["occupied"], counts["all"]["free"], counts["all"]["occupancy_rate"]) == (1, 1, 0.5)
    assert [(one["zone"], one["total"]) for one in counts["by_zone"]] == [("A", 1), ("B", 1)]
    stays = await past.ask(f"at?at=2026-05-04T11:30:00Z&basis=stays&site={site}&zone=B")
    assert (stays["all"]["unknown"], stays["all"]["total"]) == (1, 1)
    assert (await past.refusal("at?at=2999-01-01T00:00:00Z"))[0] == 422
    assert (await past.refusal("at?at=2026-05-04T10:00:00"))[0] == 422
    assert (await past.refusal("at?at=0001-01-01T00:00:00%2B14:00"))[0] == 422
    assert (await past.refusal(f"at?at=2019-05-04T10:00:00Z&space={plain}"))[0] == 404


BAD_QUESTIONS = {
    "from=2026-05-04&to=2026-05-04": "to",
    "from=2026-05-04&to=2026-05-01": "to",
    "from=2020-01-01&to=2026-05-01": "from",
    "from=2025-01-01&to=2026-05-01&interval=quarter": "interval",
    "from=1700000000": "from",
    "from=2026-02-30": "from",
    "from=0001-01-01": "from",
    "from=2026-05-04T10:00:00Z": "from",
    "interval=year": "interval",
    "group_by=floor": "group_by",
    "zone=%00": "zone",
    "kind=boat": "kind",
    "since=2026-05-04T10:00:00": "since",
    "since=2026-05-04T10:00:00Z": "since",
    "form=2026-05-04": "form",
}


async def test_a_bad_question_is_refused_by_the_name_of_its_field(past, subtests) -> None:
    for query, field in BAD_QUESTIONS.items():
        with subtests.test(query):
            answer = await past.api.get(f"{PATH}/occupancy?{query}")
            assert answer.status_code == 422, answer.text
            assert answer.json()["details"]["errors"][0]["field"] == f"query.{field}"


async def test_another_tenants_past_is_nobodys(past, gateway) -> None:
    site = await past.site("UTC")
    space = await past.space(site, ("2026-05-04T10:00+00:00", "2026-05-04T11:00+00:00"), zone="A")
    await past.compute()
    stranger = await past.registry.key(await past.registry.tenant("other"), "*")
    day = "from=2026-05-04&to=2026-05-05"
    async with http_client(base_url=gateway.url, headers={"X-API-Key": stranger}, timeout=20) as client:
        for what in ("occupancy", "occupancy?interval=hour", "turnover", "dwell"):
            answer = await client.get(f"{PATH}/{what}{'&' if '?' in what else '?'}{day}")
            assert answer.json()["series"] == [], what
        assert (await client.get(f"{PATH}/peak?{day}")).json()["peaks"] == []
        assert (await client.get(f"{PATH}/spaces?{day}")).json()["total"] == 0
        assert (await client.get(f"{PATH}/profile?{day}")).json()["by_hour"] == []
        assert (await client.get(f"{PATH}/occupancy?site={site}")).status_code == 404
        for basis in ("shown", "stays"):
            answer = await client.get(f"{PATH}/at?at=2026-05-04T10:30:00Z&basis={basis}")
            assert answer.json()["all"]["total"] == 0
            answer = await client.get(f"{PATH}/at?at=2026-05-04T10:30:00Z&basis={basis}&space={space}")
            assert answer.status_code == 404


async def test_since_and_until_cut_hours_out_of_the_days(past) -> None:
    site = await past.site()
    await past.space(site, ("2026-05-04T10:00+02:00", "2026-05-04T11:00+02:00"))
    await past.compute()
    cut = "since=2026-05-04T08:00:00Z&until=2026-05-04T11:30:00%2B02:00"
    answer = await past.ask(f"occupancy?from=2026-05-04&to=2026-05-05&interval=hour&{cut}")
    assert [point["start"] for point in only(answer["series"])["points"]] == [
        "2026-05-04T10:00:00+02:00",
        "2026-05-04T11:00:00+02:00",
    ]
    assert answer["first_day"] == date(2026, 5, 4).isoformat()
