"""What each process takes: memory, and CPU seconds between two looks.

In: process ids by name. Out: plain numbers by name. A server's workers (PostgreSQL's backends) count for the server.
"""

from dataclasses import dataclass

import psutil

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")


@dataclass(frozen=True)
class Consumption:
    """Memory (bytes) and CPU time since its start (s) of every process, by name."""

    memory_bytes: dict[str, int]
    cpu_seconds: dict[str, float]

    def services_bytes(self) -> int:
        """The five services together."""
        return sum(self.memory_bytes[name] for name in SERVICES)

    def cpu_since(self, earlier: "Consumption") -> dict[str, float]:
        """CPU seconds between two looks."""
        return {name: seconds - earlier.cpu_seconds[name] for name, seconds in self.cpu_seconds.items()}


def look_at(processes: dict[str, int]) -> Consumption:
    """What they take now."""
    trees = {name: _tree(psutil.Process(pid)) for name, pid in processes.items()}
    return Consumption(
        memory_bytes={name: _memory(tree) for name, tree in trees.items()},
        cpu_seconds={name: sum(map(_cpu_seconds, tree)) for name, tree in trees.items()},
    )


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _memory(tree: list[psutil.Process]) -> int:
    """RSS; of several processes the proportional set size, because they share buffers that RSS counts in each."""
    if len(tree) == 1:
        return int(tree[0].memory_info().rss)
    return sum(int(process.memory_full_info().pss) for process in tree if process.is_running())


def _cpu_seconds(process: psutil.Process) -> float:
    """User and system time, that of children which have ended included."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # it ended since; its parent counts it
    return float(times.user + times.system + times.children_user + times.children_system)
