"""A service as its container confines it: an unprivileged user, a read-only root, and the declared tmpfs to write to.

A mount namespace stands in for the container, so that no container engine is needed; root is. Reading is allowed
everywhere (the interpreter may lie below a home that only its owner enters); writing is what is confined.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stack.service_process import Service

ROOT = Path(__file__).resolve().parents[2]
USER = 10001
# What must be seen, even where it lies below the /tmp that the tmpfs covers.
KEPT = (str(ROOT), sys.prefix, sys.base_prefix)
# Kernel interfaces, not places to keep anything in.
NO_FILES = ("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2")
# As first argument the tmpfs options, then the folders to keep, `--`, and the command.
CONFINE = f"""\
set -eu
options=$1
shift
mount --rbind / /mnt
mount -t tmpfs -o "$options" tmpfs /tmp
while [ "$1" != -- ]; do
    case "$1" in
        /tmp/*) mkdir -p "$1"; mount --bind "/mnt$1" "$1" ;;
    esac
    shift
done
shift
umount -l /mnt
awk '$3 !~ /^({"|".join(NO_FILES)})$/ && $2 != "/tmp" {{ print $2 }}' /proc/self/mounts | sort -u |
while read -r place; do
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done
exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs \\
    --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search -- "$@"
"""


def why_not() -> str | None:
    """What keeps this machine from confining anything, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root, to mount"
    if missing := [tool for tool in ("unshare", "setpriv", "mount", "awk") if shutil.which(tool) is None]:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine allows no mount namespaces"


def confined(command: Sequence[str], tmpfs: str, *more: str) -> list[str]:
    """The command line that runs `command` confined; `tmpfs` are the options of /tmp, as compose.yaml has them.

    `more` are folders that must be seen, and can only be read, even where they lie below /tmp.
    """
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        CONFINE,
        "sh",
        tmpfs,
        *KEPT,
        *more,
        "--",
        *command,
    ]


class ConfinedService(Service):
    """`python -m <module>` in a confinement of its own."""

    tmpfs = "mode=1777,size=64m,noexec,nosuid,nodev"

    def spawn(self) -> None:
        """Start the process without waiting for it; the whole way there is by exec, so its id is the service's."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                confined([sys.executable, "-m", self.module], self.tmpfs),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **self._environment, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )

    @property
    def root(self) -> Path:
        """The service's own view of the files."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root")

    def written(self) -> list[str]:
        """The files in its tmpfs: the only ones that it can have written."""
        inside = [path for path in (self.root / "tmp").rglob("*") if path.is_file()]
        seen = ["/" + str(path.relative_to(self.root)) for path in inside]
        return [name for name in seen if not name.startswith(KEPT)]

    def status(self) -> dict[str, str]:
        """What the kernel says of the process."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
