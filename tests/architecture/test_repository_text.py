"""What no file of the repository may say, and what the documents must keep up with."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINE_LENGTH = 120
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Spelled in pieces, so that this file does not say them itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(work|home/\w+)/"),
    "the folder of the project's brief": re.compile("shared/" + "spec"),
    "the writing tool": re.compile(r"(?i)\b(chat" + r"gpt|clau" + r"de|copi" + r"lot|large language " + r"model)\b"),
    "a package registry": re.compile(
        r"(?i)\b(py" + r"pi\.org|python" + r"hosted\.org|registry\." + r"npmjs|crates\." + r"io)\b"
    ),
    "an unresolved merge": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
}
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")
PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----")


def repository_files() -> list[Path]:
    """What is in the repository; of an unpacked archive without history, nothing."""
    if not (ROOT / ".git").exists():
        return []
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in repository_files() if FORBIDDEN[what].search(text_of(path))]
    assert not found, f"{what} is named in {found}"


def test_no_private_key_is_kept() -> None:
    assert not [str(path.relative_to(ROOT)) for path in repository_files() if PRIVATE_KEY.search(text_of(path))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    targets = [document.parent / target for target in LINK.findall(document.read_text(encoding="utf-8"))]
    assert not [str(target) for target in targets if not target.exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_a_document_fit(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    # A table's row and a link cannot be broken.
    long = [
        number
        for number, line in enumerate(lines, 1)
        if len(line) > LINE_LENGTH and not line.startswith("|") and "](" not in line
    ]
    assert not long


def test_decisions_are_numbered_once_and_short() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in decisions)
    assert not [path.name for path in decisions if len(path.read_text(encoding="utf-8").splitlines()) > 60]
