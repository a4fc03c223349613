"""Asks the public database of vulnerabilities about every locked package: `make audit`, `make audit ARGS=--strict`.

The locks come in; findings go out, one a line, and the status: 0 nothing is known against any package, 1 something is
and is not excepted in `deploy/audit_exceptions.toml`, 2 with `--strict` when the database could not be asked.
`uv audit` does the asking. It wants a lock of its own kind, so it is given one that says what ours say and no more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lockfile import EVERYTHING, ROOT, SHIPPED, TOOL, Package, read_lock

UV = ROOT / ".tools" / "bin" / "uv"
EXCEPTIONS = ROOT / "deploy" / "audit_exceptions.toml"
FOUND, UNANSWERED = 1, 2
LONGEST_EXCEPTION_DAYS = 180
PATIENCE_SECONDS = 120
_VULNERABLE_STATUS = (0, 1)


@dataclass(frozen=True)
class Finding:
    """What is known against one package."""

    package: str
    version: str
    ids: tuple[str, ...]
    summary: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        """One line that says what to do."""
        remedy = f"fixed in {', '.join(self.fixed_in)}: make lock" if self.fixed_in else "no fixed version yet"
        return f"{self.package} {self.version}: {' = '.join(self.ids)}: {self.summary} ({remedy})"


@dataclass(frozen=True)
class Exempted:
    """A finding that is known and borne, why, and for how long."""

    id: str
    package: str
    reason: str
    until: date


def read_exceptions(path: Path, today: date) -> list[Exempted]:
    """The exceptions of the file.

    Raises:
        SystemExit: One has no reason, is for longer than half a year, or is over.
    """
    exceptions = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []):
        told = f"{path.name}: {entry.get('id', 'an exception without id')}"
        if set(entry) != {"id", "package", "reason", "until"} or type(entry["until"]) is not date:
            raise SystemExit(f"{told}: give id, package, reason and until, a date such as 2026-12-31")
        one = Exempted(**entry)
        if len(one.reason.split()) < 3:
            raise SystemExit(f"{told}: give a reason that another person can judge")
        if one.until < today:
            raise SystemExit(f"{told}: ran out on {one.until}; look at it again")
        if (one.until - today).days > LONGEST_EXCEPTION_DAYS:
            raise SystemExit(f"{told}: for at most {LONGEST_EXCEPTION_DAYS} days at a time")
        exceptions.append(one)
    return exceptions


def ask(packages: list[Package], service_url: str | None) -> tuple[list[Finding], int]:
    """What the database knows of these packages, and how many it was asked about.

    Raises:
        ConnectionError: It could not be asked; the text says why.
    """
    with tempfile.TemporaryDirectory(prefix="parkstream-audit-") as folder:
        _write_project(Path(folder), packages)
        command = [str(UV), "audit", "--frozen", "--quiet", "--no-progress", "--output-format", "json"]
        command += ["--preview-features", "audit-command,json-output", "--no-config"]
        command += ["--service-url", service_url] if service_url else []
        environment = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "20", **os.environ}
        try:
            done = subprocess.run(  # noqa: S603  our own tool, by its path
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConnectionError(f"no answer within {PATIENCE_SECONDS} s") from None
    if done.returncode not in _VULNERABLE_STATUS or not done.stdout:
        raise ConnectionError(" ".join(done.stderr.split())[-300:] or f"status {done.returncode}")
    answer = json.loads(done.stdout)
    return [_finding(one) for one in answer["vulnerabilities"]], answer["summary"]["audited_packages"]


def _write_project(folder: Path, packages: list[Package]) -> None:
    """A project whose lock holds these packages; where they come from is of no interest."""
    needs = ", ".join(f'"{one.name}=={one.version}"' for one in packages)
    head = 'version = "0"\nrequires-python = ">=3.11"\n'
    folder.joinpath("pyproject.toml").write_text(f'[project]\nname = "audited"\n{head}dependencies = [{needs}]\n')
    names = ", ".join(f'{{ name = "{one.name}" }}' for one in packages)
    wanted = ", ".join(f'{{ name = "{one.name}", specifier = "=={one.version}" }}' for one in packages)
    lock = [
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n',
        f'[[package]]\nname = "audited"\nversion = "0"\nsource = {{ virtual = "." }}\ndependencies = [{names}]\n',
        f"[package.metadata]\nrequires-dist = [{wanted}]\n",
    ]
    lock += [
        f'[[package]]\nname = "{one.name}"\nversion = "{one.version}"\n'
        'source = { registry = "https://locked.invalid/simple" }\n'
        f'sdist = {{ url = "https://locked.invalid/{one.name}.tar.gz", hash = "sha256:{one.sha256[0]}" }}\n'
        for one in packages
    ]
    folder.joinpath("uv.lock").write_text("\n".join(lock))


def _finding(told: dict[str, Any]) -> Finding:
    dependency = told["dependency"]
    ids = (told["id"], *(alias for alias in told.get("aliases") or [] if alias != told["id"]))
    fixed = tuple(told.get("fix_versions") or [])
    return Finding(dependency["name"], dependency["version"], ids, told.get("summary") or "no summary", fixed)


def main() -> int:
    """Ask, compare with the exceptions, and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strict", action="store_true", help="fail, too, when the database cannot be asked")
    parser.add_argument("--service-url", help="another database that speaks OSV's protocol, such as a mirror")
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS)
    parser.add_argument("locks", nargs="*", type=Path, default=[EVERYTHING, SHIPPED, TOOL])
    given = parser.parse_args()
    exceptions = read_exceptions(given.exceptions, datetime.now(UTC).date())
    packages: dict[str, Package] = {}
    for lock in given.locks:
        packages |= read_lock(lock)
    try:
        findings, asked = ask(list(packages.values()), given.service_url)
    except ConnectionError as error:
        sys.stderr.write(
            f"WARNING: NOT AUDITED. The database of vulnerabilities could not be asked about {len(packages)} locked "
            f"packages, so nothing is known of them, good or bad.\n  {error}\n"
        )
        return UNANSWERED if given.strict else 0
    if asked != len(packages):
        sys.stderr.write(f"WARNING: {asked} packages were asked about, {len(packages)} are locked.\n")
        return FOUND
    return _tell(findings, exceptions, len(packages))


def _tell(findings: list[Finding], exceptions: list[Exempted], asked: int) -> int:
    borne = {(one.package, one.id): one for one in exceptions}
    open_findings = []
    for one in findings:
        excepted = next((borne.pop((one.package, known)) for known in one.ids if (one.package, known) in borne), None)
        if excepted is None:
            open_findings.append(one)
        else:
            sys.stdout.write(f"excepted until {excepted.until}: {one}: {excepted.reason}\n")
    for stale in borne.values():
        sys.stdout.write(f"{EXCEPTIONS.name}: {stale.id} of {stale.package} is not found any more: take it out\n")
    for one in open_findings:
        sys.stdout.write(f"VULNERABLE {one}\n")
    sys.stdout.write(f"{asked} locked packages audited: {len(open_findings)} findings\n")
    return FOUND if open_findings else 0


if __name__ == "__main__":
    sys.exit(main())
