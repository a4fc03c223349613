"""How busy the connection pools of this process are, read from the pools themselves whenever somebody scrapes.

In: every pool that `open_pool` makes. Out: connections by state, the limit, and how many callers wait for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from parking_chassis.postgres import Pool

_pools: list[tuple[str, Pool]] = []


def watch_pool(name: str, pool: Pool) -> None:
    """Measure a pool until it is closed; pools of one name are counted together."""
    _pools[:] = [(known, one) for known, one in _pools if not one.is_closing()]
    _pools.append((name, pool))


def waiting_for(pool: Pool) -> int:
    """How many callers wait for a connection. asyncpg does not tell: a test holds what is read here."""
    return sum(not getter.done() for getter in pool._queue._getters)  # type: ignore[attr-defined]  # asyncpg's own  # noqa: SLF001


class _Pools(Collector):
    def describe(self) -> Iterable[Metric]:
        return self._families()

    def collect(self) -> Iterable[Metric]:
        connections, limits, waiters = families = self._families()
        counts: Counter[tuple[str, str]] = Counter()
        limit: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        for name, pool in _pools:
            if not pool.is_closing():
                counts[name, "idle"] += pool.get_idle_size()
                counts[name, "in_use"] += pool.get_size() - pool.get_idle_size()
                limit[name] += pool.get_max_size()
                waiting[name] += waiting_for(pool)
        for (name, state), count in counts.items():
            connections.add_metric([name, state], count)
        for name in limit:
            limits.add_metric([name], limit[name])
            waiters.add_metric([name], waiting[name])
        return families

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "parkstream_pool_connections", "Connections to PostgreSQL, in_use or idle", labels=["pool", "state"]
            ),
            GaugeMetricFamily("parkstream_pool_limit", "Connections that a pool may open", labels=["pool"]),
            GaugeMetricFamily("parkstream_pool_waiters", "Callers that wait for a connection", labels=["pool"]),
        )


REGISTRY.register(_Pools())
