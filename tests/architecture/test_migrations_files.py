"""Migrations as files: what `make check` can say of them without a database."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((ROOT / "migrations").glob("*.sql"))
SERVICES = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
TRANSACTION_CONTROL = re.compile(r"^\s*(BEGIN|COMMIT|ROLLBACK|START\s+TRANSACTION)\s*;", re.IGNORECASE | re.MULTILINE)
LOCK_TIMEOUT = re.compile(r"^SET LOCAL lock_timeout = '\d+m?s';$", re.MULTILINE)
# Statements that PostgreSQL refuses inside a transaction: a migration must be all or nothing.
UNTRANSACTIONAL = re.compile(r"\b(CONCURRENTLY|VACUUM|ALTER\s+SYSTEM|CREATE\s+DATABASE)\b", re.IGNORECASE)

each_migration = pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)


def statements(path: Path) -> str:
    """The file without its line comments."""
    return re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))


def test_there_are_migrations_and_services() -> None:
    assert MIGRATIONS
    assert SERVICES


def test_numbers_run_from_one_without_gap_or_repeat() -> None:
    assert [int(path.name[:4]) for path in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@each_migration
def test_a_name_is_a_number_and_words(path: Path) -> None:
    assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*\.sql", path.name)


@each_migration
def test_the_first_line_names_the_owning_service(path: Path) -> None:
    owner = re.fullmatch(r"-- owner: (\w+)", path.read_text(encoding="utf-8").splitlines()[0])
    assert owner, "the first line must be `-- owner: <service>`"
    assert owner[1] in SERVICES


@each_migration
def test_the_lock_timeout_comes_before_the_first_statement(path: Path) -> None:
    first = next(line for line in statements(path).splitlines() if line.strip())
    assert LOCK_TIMEOUT.fullmatch(first), "start with: SET LOCAL lock_timeout = '5s';"


@each_migration
def test_the_transaction_is_left_to_the_runner(path: Path) -> None:
    assert not TRANSACTION_CONTROL.search(statements(path))
    assert not UNTRANSACTIONAL.search(statements(path))


def test_no_stray_file_lies_beside_the_migrations() -> None:
    strays = {path.name for path in (ROOT / "migrations").iterdir() if path.name != "__pycache__"}
    assert strays == {path.name for path in MIGRATIONS}
