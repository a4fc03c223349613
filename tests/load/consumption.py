"""What each process takes: memory, and CPU seconds between two looks.

In: process ids by name. Out: plain numbers by name. A server's workers (PostgreSQL's backends) count for the server.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
KIB = 1 << 10


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


def forget_peaks(processes: dict[str, int]) -> None:
    """Let each process's peak begin anew; where the kernel does not allow it, the peak is that of its life."""
    for pid in processes.values():
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peaks_of(processes: dict[str, int]) -> dict[str, int]:
    """The most memory (RSS, bytes) that each process itself has had, by name; not of a server's workers."""
    peaks = {}
    for name, pid in processes.items():
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        peaks[name] = next(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:"))
    return peaks


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
