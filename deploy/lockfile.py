"""Reads the hash-pinned requirements files: a file comes in, its packages with hashes and dependants go out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = ROOT / "requirements.lock"
SHIPPED = ROOT / "deploy" / "requirements.lock"
TOOL = ROOT / "deploy" / "uv.txt"

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_VIA = re.compile(r"\s+#( via)? +(?P<name>[A-Za-z0-9._-]+)$")


@dataclass
class Package:
    """One pinned package: the SHA-256 of every file that may be installed, and who asked for it."""

    name: str
    version: str
    sha256: list[str] = field(default_factory=list)
    asked_for_by: list[str] = field(default_factory=list)


def normalised(name: str) -> str:
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, Package]:
    """The packages of a requirements file by name.

    Raises:
        SystemExit: A line pins no version, or a package has no hash, or two versions.
    """
    found: dict[str, Package] = {}
    package: Package | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if pin := _PIN.match(line):
            package = Package(normalised(pin["name"]), pin["version"])
            if package.name in found:
                raise SystemExit(f"{path}:{number}: {package.name} is locked twice")
            found[package.name] = package
        elif package is not None and (via := _VIA.match(line)):
            package.asked_for_by.append(normalised(via["name"]))
        elif line.strip() and not line.lstrip().startswith(("#", "--hash=")):
            raise SystemExit(f"{path}:{number}: neither a pinned package nor a hash: {line.strip()[:80]}")
        if package is not None and (digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line)):
            package.sha256.append(digest[1])
    if naked := [one.name for one in found.values() if not one.sha256]:
        raise SystemExit(f"{path}: without a hash: {', '.join(naked)}")
    return found
