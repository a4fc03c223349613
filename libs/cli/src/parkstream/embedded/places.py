"""Where the embedded servers live, and as whom they run.

PostgreSQL refuses to run as root. Started by root, the servers therefore run as an unprivileged account, which
needs a data directory, and binaries, that it can reach: nothing below a home with mode 0700. In: paths.
Out: an `Account`, a directory it owns, a path it can execute.
"""

import grp
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from parkstream.errors import OperatorError

ROOT_DATA_HOME = Path("/var/lib/parkstream")
UNPRIVILEGED_NAMES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The operating-system account of the servers; `switch` is true when we are root and must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool


def ourselves() -> Account:
    """The account of this process."""
    return Account(_user_name(os.geteuid()), os.geteuid(), os.getegid(), switch=False)


def server_account(existing: Path | None = None) -> Account:
    """The account to run as: ourselves, or, for root, the owner of `existing` data, else postgres, else nobody."""
    if os.geteuid() != 0:
        return ourselves()
    if existing is not None and existing.exists() and existing.stat().st_uid != 0:
        owner = existing.stat()
        return Account(_user_name(owner.st_uid), owner.st_uid, owner.st_gid, switch=True)
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise OperatorError(
        "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody'.",
        "Start Parkstream as an ordinary user.",
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def can_reach(path: Path, account: Account) -> bool:
    """Whether `account` may pass through every existing directory on the way to `path`, itself included."""
    groups = {account.gid} | {group.gr_gid for group in grp.getgrall() if account.name in group.gr_mem}
    resolved = path.resolve()
    for step in (resolved, *resolved.parents):
        try:
            status = step.stat()
        except FileNotFoundError:
            continue
        except PermissionError:
            return False
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid in groups:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def choose_data_dir(wanted: Path, *, explicit: bool) -> tuple[Path, str]:
    """The data directory to use and, when it is not the wanted one, a sentence saying why.

    A default place which the servers' account cannot reach is replaced by one below /var/lib/parkstream, keyed by
    the wanted path; an explicitly named one is never replaced silently but refused with `OperatorError`.
    """
    wanted = wanted.resolve()
    account = server_account(wanted / "postgres")
    if not account.switch or can_reach(wanted.parent, account):
        return wanted, ""
    reason = f"{wanted} is out of reach for the user {account.name}, as whom PostgreSQL runs when root starts it"
    if explicit:
        raise OperatorError(f"{reason}.", f"Name another directory, for example --data-dir {ROOT_DATA_HOME}.")
    key = hashlib.sha256(str(wanted).encode()).hexdigest()[:8]
    chosen = ROOT_DATA_HOME / f"{wanted.parent.name or 'root'}-{key}"
    return chosen, f"{reason}; the data is in {chosen} instead"


def make_private_dir(path: Path, account: Account) -> Path:
    """Create `path` (mode 0700, owned by `account`) if it is missing, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account.switch and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    return path


def make_data_dir(path: Path) -> Path:
    """Create the data directory itself: passable for the servers' account, its contents guarded by their own modes."""
    try:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        probe = tempfile.TemporaryFile(dir=path)  # noqa: SIM115  closed on the next line
        probe.close()
    except OSError as error:
        raise OperatorError(
            f"The data directory {path} cannot be written: {error.strerror}.",
            "Name another with --data-dir or PARKSTREAM_DATA_DIR.",
        ) from error
    return path


def write_secret(path: Path, text: str, account: Account) -> None:
    """Write `text` to `path` with mode 0600, complete or not at all, owned by `account`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if account.switch:
            os.chown(temporary, account.uid, account.gid)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def reachable_copy(root: Path, parts: Iterable[Path], account: Account, into: Path) -> Path:
    """`root` itself when `account` can reach it, else `into`, a copy of its `parts` (files, folders), made once.

    The copy appears as a whole: a half-made one is never used.
    """
    if not account.switch or can_reach(root, account):
        return root
    if into.exists():
        return into
    into.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=into.parent, prefix=f".{into.name}."))
    try:
        staging.chmod(0o755)
        for part in parts:
            target = staging / part.relative_to(root)
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if part.is_dir():
                shutil.copytree(part, target, symlinks=True)
            elif part.exists():
                shutil.copy2(part, target)
        staging.rename(into)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return into
