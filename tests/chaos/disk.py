"""A small disk for one server, to be filled up: a tmpfs, which only root can mount.

In: a directory. Out: the same directory as a file system of its own. What a killed run left mounted, the next one
takes away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import psutil

from stack.servers import PREFIX

BALLAST = "ballast"
CHUNK = bytes(1 << 20)


class SmallDisk:
    """A file system of `megabytes` at `path`."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._megabytes = megabytes

    def mount(self) -> bool:
        """Whether it could be mounted."""
        self.path.mkdir(exist_ok=True)
        options = f"size={self._megabytes}m,mode=755"
        return os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path)

    def unmount(self) -> None:
        """Forget it and what is on it."""
        _run("umount", "--lazy", self.path)

    def fill(self) -> None:
        """Leave no byte."""
        with (self.path / BALLAST).open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(CHUNK):
                pass

    def free(self) -> None:
        """Give the room back."""
        (self.path / BALLAST).unlink(missing_ok=True)


def unmount_abandoned() -> None:
    """What is still mounted for a run whose process is gone."""
    for line in Path("/proc/mounts").read_text().splitlines() if Path("/proc/mounts").exists() else []:
        kind, place = line.split()[0], Path(line.split()[1])
        name = next((part for part in place.parts if part.startswith(PREFIX)), "")
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if kind == "tmpfs" and owner.isdigit() and not psutil.pid_exists(int(owner)):
            _run("umount", "--lazy", place)


def _run(*command: str | Path) -> bool:
    """Whether it could be done; a machine without the program cannot."""
    if shutil.which(str(command[0])) is None:
        return False
    return subprocess.run([str(part) for part in command], check=False, capture_output=True).returncode == 0
