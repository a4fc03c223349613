"""Where the CPU of an uplink goes: the functions of ingestor and engine, and the statements of PostgreSQL.

In: whether it is wanted. Out: the environment that makes the services sample themselves (`sampler`), and after their
end tables of the functions that were running most often and of the longest statements. Sampling costs a few per cent:
the rates of a profiled run are not for comparing.
"""

import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from load.statements import Statement, forget_statements, read_statements, table_of

SERVICES = ("uplink_ingestor", "occupancy_engine")
SAMPLER = Path(__file__).resolve().parent / "sampler"
TOP = 25


@dataclass
class Profile:
    """Share of samples by function: `own` where it was running itself, `all` where it or what it called was."""

    own: dict[str, dict[str, float]] = field(default_factory=dict)
    all: dict[str, dict[str, float]] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)

    def print(self, console: Console) -> None:
        """A table per service."""
        for service, own in self.own.items():
            table = Table("function", "itself", "with what it calls", title=f"CPU of {service}", title_justify="left")
            for name in sorted(own, key=lambda name: -own[name])[:TOP]:
                table.add_row(name, f"{own[name]:.1%}", f"{self.all[service][name]:.1%}")
            console.print(table)
        console.print(table_of(self.statements))


@dataclass
class Profiling:
    """A directory that the services write to; None: they do not."""

    directory: Path | None
    statements: list[Statement] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the services are to be started with."""
        if self.directory is None:
            return {}
        path = os.pathsep.join(filter(None, (str(SAMPLER), os.environ.get("PYTHONPATH"))))
        return {"PYTHONPATH": path, "PARKSTREAM_BENCH_PROFILE": str(self.directory)}

    def read(self) -> Profile | None:
        """What the services have written; they write when they end."""
        if self.directory is None:
            return None
        profile = Profile(statements=self.statements)
        for file in sorted(self.directory.glob("*.json")):
            profile.own[file.stem], profile.all[file.stem] = shares(json.loads(file.read_bytes()))
        return profile

    async def begin(self, database: asyncpg.Connection) -> None:
        """Forget the statements of the warm-up."""
        if self.directory is not None:
            await forget_statements(database)

    async def end(self, database: asyncpg.Connection, uplinks: int) -> None:
        """Take the statements of so many uplinks."""
        if self.directory is not None:
            self.statements = await read_statements(database, uplinks)

    @contextmanager
    def sampling(self, processes: Mapping[str, int]) -> Iterator[None]:
        """Sample for the time of a burst."""
        sampled = [processes[name] for name in SERVICES] if self.directory is not None else []
        for pid in sampled:
            os.kill(pid, signal.SIGUSR2)
        try:
            yield
        finally:
            for pid in sampled:
                os.kill(pid, signal.SIGUSR2)


@contextmanager
def profiled(*, wanted: bool) -> Iterator[Profiling]:
    """For the time of a platform."""
    directory = Path(tempfile.mkdtemp(prefix="parkstream-profile-")) if wanted else None
    try:
        yield Profiling(directory)
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)


def shares(stacks: list[tuple[list[tuple[str, str]], int]]) -> tuple[dict[str, float], dict[str, float]]:
    """Own and whole share of each function, of `(stack, count)` with the innermost function first."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in stacks:
        names = [f"{_module(filename)}:{function}" for filename, function in stack]
        own[names[0]] += count
        for name in set(names):
            whole[name] += count
    total = own.total() or 1
    return ({name: count / total for name, count in counted.items()} for counted in (own, whole))  # type: ignore[return-value]


def _module(filename: str) -> str:
    """The last folder and the file."""
    return "/".join(Path(filename).parts[-2:]).removesuffix(".py")
