"""`make audit`: every locked package is asked about, what is known fails it, and silence is told from good news."""

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parkstream.embedded import ports

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "requirements.lock", ROOT / "deploy" / "requirements.lock", ROOT / "deploy" / "uv.txt"]
LOCK = "jinja2==2.4.1 \\\n    --hash=sha256:" + "0" * 64 + "\nclick==8.5.1 \\\n    --hash=sha256:" + "1" * 64 + "\n"
ENVIRONMENT = {**os.environ, "UV_HTTP_RETRIES": "0"}
TODAY = datetime.now(UTC).date()
KNOWN = {
    "id": "PYSEC-2014-8",
    "modified": "2024-01-01T00:00:00Z",
    "published": "2014-05-19T14:55:00Z",
    "aliases": ["CVE-2014-1402"],
    "summary": "a cache that others can write to",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.7.2"}]}],
        }
    ],
}


@dataclass
class Database:
    """A database of vulnerabilities that knows of one, and who asked about what."""

    url: str
    asked: set[tuple[str, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def vulnerabilities() -> Iterator[Database]:
    asked: set[tuple[str, str]] = set()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.update((one["package"]["name"], one["version"]) for one in queries)
            known = {"vulns": [{"id": KNOWN["id"], "modified": KNOWN["modified"]}]}
            self.tell({"results": [known if one["package"]["name"] == "jinja2" else {} for one in queries]})

        def do_GET(self) -> None:
            self.tell(KNOWN)

        def tell(self, answer: Any) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Database(f"http://127.0.0.1:{server.server_port}/", asked)
    server.shutdown()
    server.server_close()
    thread.join()


def audit(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "deploy" / "audit.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT)


Script = Callable[[str], ModuleType]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A script of deploy/, imported: most of what it refuses needs no process of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "deploy"))
    return importlib.import_module


def exempted(tmp_path: Path, **changes: object) -> Path:
    """A file with one exception."""
    entry = {
        "id": '"CVE-2014-1402"',
        "package": '"jinja2"',
        "reason": '"renders our own templates only"',
        "until": TODAY + timedelta(days=30),
        **changes,
    }
    path = tmp_path / "exceptions.toml"
    lines = [f"{name} = {value}" for name, value in entry.items() if value is not None]
    path.write_text("\n".join(["[[exception]]", *lines]))
    return path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(LOCK)
    return path


def test_what_is_known_against_a_package_fails_and_names_the_remedy(vulnerabilities: Database, lock: Path) -> None:
    done = audit("--service-url", vulnerabilities.url, lock)
    assert done.returncode == 1, done.stderr
    assert "VULNERABLE jinja2 2.4.1: PYSEC-2014-8 = CVE-2014-1402" in done.stdout
    assert "fixed in 2.7.2" in done.stdout
    assert "2 locked packages audited: 1 findings" in done.stdout


def test_every_package_of_every_lock_is_asked_about(vulnerabilities: Database) -> None:
    vulnerabilities.asked.clear()
    done = audit("--service-url", vulnerabilities.url)
    pins = [line.partition(" ")[0] for path in LOCKS for line in path.read_text().splitlines() if "==" in line]
    locked = {tuple(pin.split("==")) for pin in pins if not pin.startswith("#")}
    assert vulnerabilities.asked == locked
    assert (done.returncode, "0 findings" in done.stdout) == (0, True), done.stdout + done.stderr


def test_an_exception_with_a_reason_is_borne_until_its_day(
    vulnerabilities: Database, lock: Path, tmp_path: Path
) -> None:
    done = audit("--service-url", vulnerabilities.url, "--exceptions", exempted(tmp_path), lock)
    assert done.returncode == 0
    assert f"excepted until {TODAY + timedelta(days=30)}" in done.stdout
    stale = audit(
        *("--service-url", vulnerabilities.url, "--exceptions", exempted(tmp_path, package='"click"'), lock),
    )
    assert stale.returncode == 1
    assert "is not found any more: take it out" in stale.stdout


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"until": TODAY - timedelta(days=1)}, "ran out"),
        ({"until": TODAY + timedelta(days=181)}, "at most 180 days"),
        ({"until": '"2026-12-31"'}, "a date"),
        ({"until": None}, "until"),
        ({"reason": '"because"'}, "a reason that another person can judge"),
        ({"reason": None}, "reason"),
        ({"ignored": "true"}, "give id, package, reason and until"),
    ],
)
def test_an_exception_without_a_reason_or_an_end_is_none(
    script: Script, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(SystemExit, match=reason):
        script("audit").read_exceptions(exempted(tmp_path, **changes), TODAY)


def test_a_database_that_cannot_be_asked_is_said_aloud_and_fails_where_that_matters(lock: Path) -> None:
    nowhere = f"http://127.0.0.1:{ports.free_port()}/"
    usual, strict = audit("--service-url", nowhere, lock), audit("--strict", "--service-url", nowhere, lock)
    assert (usual.returncode, strict.returncode) == (0, 2)
    assert "NOT AUDITED" in usual.stderr
    assert "nothing is known" in strict.stderr


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jinja2>=2\n", "neither a pinned package nor a hash"),
        ("jinja2==2.4.1\n", "without a hash: jinja2"),
        (LOCK + LOCK, "locked twice"),
        ("--index-url https://example.com\n", "neither"),
    ],
)
def test_a_lock_that_pins_nothing_is_refused(script: Script, lock: Path, text: str, reason: str) -> None:
    lock.write_text(text)
    with pytest.raises(SystemExit, match=reason):
        script("lockfile").read_lock(lock)


def test_the_bill_of_materials_says_what_the_locks_say(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, ROOT / "deploy" / "sbom.py", "--output", path], capture_output=True, text=True, check=True
        )
    made = json.loads(path.read_text())
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    packages = {one["name"]: one for one in made["components"] if one["type"] == "library"}
    texts = [lock.read_text() for lock in LOCKS]
    pins = dict(line.split()[0].split("==") for text in texts for line in text.splitlines() if line[:1].isalpha())
    assert {name: one["version"] for name, one in packages.items()} == pins
    shipped = {line.split("==")[0] for line in texts[1].splitlines() if line[:1].isalpha()}
    assert {name for name, one in packages.items() if one["scope"] == "required"} == shipped
    hashes = {reference["hashes"][0]["content"] for one in packages.values() for reference in one["externalReferences"]}
    assert hashes == {
        line.split(":")[1].rstrip(" \\") for text in texts for line in text.splitlines() if "--hash" in line
    }
    without = {name for name in shipped if "licenses" not in packages[name]}
    assert without <= {"colorama"}, "a licence of what is shipped must be known; this is for Windows alone"
    references = {one["bom-ref"] for one in made["components"]} | {"product"}
    assert {one["ref"] for one in made["dependencies"]} == references
    assert {ref for one in made["dependencies"] for ref in one["dependsOn"]} <= references
    assert str(path) in done.stdout
