"""One row for each table of the engine's figures of the past."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from isolation.tenant import Tenant

NOW = datetime.now(UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


def place(t: Tenant) -> dict[str, Any]:
    return {"tenant_id": t.id, "site_id": t.own("site"), "day": MIDNIGHT.date(), "zone": t.word, "kind": "standard"}


def counted() -> dict[str, Any]:
    return dict.fromkeys(("occupied_seconds", "watched_seconds", "arrivals", "departures", "dwell_seconds"), 0)


ROWS: Mapping[str, Callable[[Tenant], dict[str, Any]]] = {
    # A space notes where it is now by a trigger: this is where it was before.
    "occupancy.space_placements": lambda t: {
        "tenant_id": t.id,
        "space_id": t.own("space"),
        "from_at": NOW - DAY,
        "until_at": NOW - DAY / 2,
        "site_id": t.own("site"),
        "zone": t.word,
        "kind": "standard",
        "watched": True,
    },
    "occupancy.rollup_queue": lambda t: {
        "tenant_id": t.id,
        "space_id": t.own("space"),
        "from_at": NOW - DAY,
        "until_at": NOW,
    },
    "occupancy.rollup_days_due": place,
    "occupancy.rollup_sites": lambda t: {
        "tenant_id": t.id,
        "site_id": t.own("site"),
        "time_zone": "UTC",
    },
    "occupancy.rollup_running_stays": lambda t: {
        "tenant_id": t.id,
        "stay_id": t.own("stay"),
        "space_id": t.own("space"),
    },
    "occupancy.zone_days": lambda t: {
        **place(t),
        **counted(),
        "level": "zone_kind",
        "time_zone": "UTC",
        "starts_at": MIDNIGHT,
        "ends_at": MIDNIGHT + DAY,
        "computed_until": NOW,
        "peak_occupied": 0,
        "peak_watched": 0,
        **{f"quarter_{what}": [0] * 96 for what in ("occupied", "watched")},
        **{f"hour_{what}": [0] * 24 for what in ("occupied", "watched")},
        **{f"dwell_{what}": [0] for what in ("buckets", "counts")},
    },
    "occupancy.space_days": lambda t: {**place(t), **counted(), "space_id": t.own("space")},
}
