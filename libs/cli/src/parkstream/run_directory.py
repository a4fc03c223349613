"""What `parkstream up` leaves in its data directory so that others find it, and its successor cleans up after it.

`run/lock` is held (flock) as long as `up` lives: two of them would fight over one data directory. `run/children.json`
lists the children with their times of birth; `run/connections.json` holds the URLs for the other commands.
"""

import contextlib
import fcntl
import json
import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec
import psutil

from parkstream.embedded import child, places
from parkstream.errors import OperatorError
from parkstream.settings import CONNECTIONS_FILE, Connections

# Both servers understand: PostgreSQL waits for its clients on SIGTERM, so it gets SIGINT first.
END_STEPS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0))
API_KEY_FILE = Path("secrets") / "bootstrap_api_key"
OWNER_PASSWORD_FILE = Path("secrets") / "owner_password"
CHIRPSTACK_TOKEN_FILE = Path("secrets") / "chirpstack_token"
BIRTH_TOLERANCE_SECONDS = 2.0  # it is derived from the wall clock, which may be corrected


class RunDirectory:
    """The `run` folder of one data directory, ours from `lock()` to `release()`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._home = data_dir / "run"
        self._lock: TextIO | None = None
        self._children: dict[str, list[float]] = {}

    def lock(self) -> None:
        """Take the data directory; `OperatorError` when another `up` has it."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        lock = (self._home / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise OperatorError(
                f"Another `parkstream up` (pid {holder}) runs on {self.data_dir}.",
                "Stop it, or give this one a --data-dir and ports of its own.",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Give the data directory back; the connections of a platform that runs no longer go with it."""
        (self.data_dir / CONNECTIONS_FILE).unlink(missing_ok=True)
        (self._home / "children.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def note_child(self, name: str, pid: int) -> None:
        """Remember a child, in case we cannot end it ourselves."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._children[name] = [pid, psutil.Process(pid).create_time()]
        self._write("children.json", json.dumps(self._children))

    def end_leftovers(self) -> list[str]:
        """End the children of an `up` that was killed, if they outlived it; their names."""
        try:
            noted = json.loads((self._home / "children.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return []
        ended = []
        for name, (pid, born) in noted.items():
            try:
                leftover = psutil.Process(int(pid))
                ours = abs(leftover.create_time() - born) < BIRTH_TOLERANCE_SECONDS
            except psutil.NoSuchProcess:
                continue
            if ours and leftover.status() != psutil.STATUS_ZOMBIE:
                child.stop_orphan(leftover, END_STEPS)
                ended.append(name)
        return ended

    def write_connections(self, connections: Connections) -> None:
        """Tell the other commands where everything is; mode 0600, as the URLs carry passwords."""
        self._write(CONNECTIONS_FILE.name, msgspec.json.encode(connections).decode())

    def api_key(self) -> tuple[str, bool]:
        """The generated bootstrap key `pk_<id>_<secret>` of this data directory, and whether it was made just now."""
        return self._kept(API_KEY_FILE, lambda: f"pk_{secrets.token_hex(6)}_{secrets.token_hex(32)}")

    def owner_password(self) -> tuple[str, bool]:
        """The generated first password of the first user, and whether it was made just now."""
        return self._kept(OWNER_PASSWORD_FILE, lambda: secrets.token_urlsafe(15))

    def chirpstack_token(self) -> str:
        """The generated admin key of the ChirpStack double."""
        return self._kept(CHIRPSTACK_TOKEN_FILE, lambda: secrets.token_urlsafe(32))[0]

    def _kept(self, name: Path, make: Callable[[], str]) -> tuple[str, bool]:
        path = self.data_dir / name
        if path.exists():
            return path.read_text(encoding="utf-8").strip(), False
        secret = make()
        places.write_secret(path, secret, places.ourselves())
        return secret, True

    def _write(self, name: str, text: str) -> None:
        places.write_secret(self._home / name, text, places.ourselves())
