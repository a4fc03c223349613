"""The house rules that a parser can hold: sizes, names, and what may stand where."""

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted(path for folder in ("libs", "services") for path in (ROOT / folder).glob("*/src/**/*.py"))
TESTS = sorted(path for folder in ("libs", "services") for path in (ROOT / folder).glob("*/tests/**/*.py"))
TESTS += sorted((ROOT / "tests").rglob("*.py"))

BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc", "core"}
FILE_LINES, FUNCTION_LINES = 400, 70
MEDIAN_FILE_LINES, P95_FILE_LINES, P95_FUNCTION_LINES = 120, 300, 50
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]*")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
SQL = re.compile(
    r"\A\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+[\w.]+\s+(AS\s|SET\s)|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|MERGE\s+INTO\s|COPY\s"
    r"|CREATE\s+(TABLE|INDEX|VIEW|SCHEMA|ROLE|DATABASE|FUNCTION)\s|ALTER\s|DROP\s|GRANT\s|TRUNCATE\s|LISTEN\s|NOTIFY\s)"
)
# Outside the services' own store.py and queries.py, each with its reason.
SQL_ELSEWHERE = {
    "libs/chassis/src/parking_chassis/outbox.py",  # every service's outbox is the same table
    "libs/chassis/src/parking_chassis/outbox_measures.py",  # the same
    "libs/chassis/src/parking_chassis/turns.py",  # locks, and no table
    "libs/chassis/src/parking_chassis/inbox.py",  # every service's inbox is the same table
    "libs/chassis/src/parking_chassis/retention.py",  # what is old goes in portions, whoever's it is
    "libs/chassis/src/parking_chassis/postgres.py",  # the pool sets role and time-outs
    "libs/cli/src/parkstream/migrate.py",  # the ledger of applied migrations
    "libs/cli/src/parkstream/embedded/postgres.py",  # makes the database itself
    "libs/cli/src/parkstream/checks/database.py",  # `doctor` asks the server about itself
}
REASONED_IGNORE = re.compile(r"# type: ignore\[[\w-]+(, ?[\w-]+)*\]\s+#\s*\S")
# Besides the chassis, each with its reason.
BROAD_EXCEPT = {
    "libs/codecs/src/parking_codecs/registry.py",  # importing a third party's codec can raise anything
    "libs/codecs/src/parking_codecs/guard.py",  # and so can calling it
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def percentile_95(values: list[int]) -> int:
    return sorted(values)[int(len(values) * 0.95)] if values else 0


def docstrings(path: Path) -> set[int]:
    """The identities of the constants that are docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree(path)) if isinstance(node, owners))
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every string that is no docstring, with its line; of an f-string its constant beginning."""
    spoken = docstrings(path)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            yield node.lineno, node.value


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes, as far as it has names."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    return ((node, dotted(node.func)) for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def none_of(found: list[str]) -> None:
    """Fail with every place that breaks the rule, one a line."""
    assert not found, "\n" + "\n".join(found)


def domain_modules() -> list[Path]:
    return [path for path in PRODUCT if path.name == "domain.py" or "domain" in path.parent.parts]


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    named = {path.relative_to(ROOT) for path in PRODUCT + TESTS}
    none_of([str(path) for path in named if BANNED_NAMES & {*path.parent.parts, path.stem}])


def test_test_files_are_named_uniquely() -> None:
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert not {name for name in names if names.count(name) > 1}


def test_no_file_is_longer_than_its_limit() -> None:
    none_of([f"{place(path, line_count(path))}" for path in PRODUCT + TESTS if line_count(path) > FILE_LINES])


def test_no_function_is_longer_than_its_limit() -> None:
    long = [
        place(path, node.lineno)
        for path in PRODUCT + TESTS
        for node in functions(path)
        if length(node) > FUNCTION_LINES
    ]
    none_of(long)


def test_most_files_and_functions_are_short(record_property: Callable[[str, object], None]) -> None:
    files = [line_count(path) for path in PRODUCT if path.name != "__init__.py"]
    lengths = [length(node) for path in PRODUCT for node in functions(path)]
    figures = {
        "median_file_lines": statistics.median(files),
        "p95_file_lines": percentile_95(files),
        "p95_function_lines": percentile_95(lengths),
    }
    for name, value in figures.items():
        record_property(name, value)
    assert figures["median_file_lines"] <= MEDIAN_FILE_LINES, figures
    assert figures["p95_file_lines"] <= P95_FILE_LINES, figures
    assert figures["p95_function_lines"] <= P95_FUNCTION_LINES, figures


def test_only_the_chassis_catches_everything() -> None:
    broad = {"Exception", "BaseException"}
    found = []
    for path in PRODUCT:
        if "parking_chassis" in path.parts or str(path.relative_to(ROOT)) in BROAD_EXCEPT:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or dotted(kind) in broad for kind in kinds):
                    found.append(place(path, node.lineno))
    none_of(found)


def test_subjects_are_spelled_in_the_contracts_alone() -> None:
    # A test may spell out what it expects on the wire; the product may not.
    others = [path for path in PRODUCT if "contracts" not in path.relative_to(ROOT).parts]
    root = "parking" + ".v1"
    none_of([place(path, line) for path in others for line, text in texts(path) if root in text])


def test_sql_stands_in_the_stores() -> None:
    def is_store(path: Path) -> bool:
        return path.stem in {"store", "queries"} or path.parent.name in {"store", "queries"}

    others = [path for path in PRODUCT if not is_store(path) and str(path.relative_to(ROOT)) not in SQL_ELSEWHERE]
    none_of([place(path, line) for path in others for line, text in texts(path) if SQL.match(text)])


def test_an_ignored_type_error_says_which_and_why() -> None:
    found = []
    for path in PRODUCT:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "# type: " + "ignore" in line and not REASONED_IGNORE.search(line):
                found.append(place(path, number))
    none_of(found)


def test_log_events_are_constant_snake_case_nouns() -> None:
    found = []
    for path in PRODUCT:
        for call, name in calls(path):
            owner, _, method = name.rpartition(".")
            if method in LOG_METHODS and re.search(r"(^|[._])log(ger)?$", owner) and call.args:
                first = call.args[0]
                events = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                named = (isinstance(event, ast.Constant) and EVENT_NAME.fullmatch(str(event.value)) for event in events)
                if not all(named):
                    found.append(place(path, call.lineno))
    none_of(found)


def test_the_domain_awaits_nothing_and_reads_no_clock() -> None:
    clocks = {"now", "utcnow", "today", "monotonic", "perf_counter"}
    found = []
    for path in domain_modules():
        asynchronous = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
        found += [place(path, node.lineno) for node in ast.walk(tree(path)) if isinstance(node, asynchronous)]
        found += [place(path, call.lineno) for call, name in calls(path) if name.rpartition(".")[2] in clocks]
    none_of(found)


def test_settings_are_not_read_at_import() -> None:
    found = []
    for path in PRODUCT:
        module_level = [node for node in tree(path).body if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr)]
        inner = (node for statement in module_level for node in ast.walk(statement))
        found += [
            place(path, node.lineno)
            for node in inner
            if isinstance(node, ast.Call) and re.search(r"Settings$|environ|getenv", dotted(node.func))
        ]
    none_of(found)


def test_entry_points_stay_small() -> None:
    mains = [path for path in PRODUCT if path.name == "__main__.py" and "services" in path.parts]
    none_of([place(path, line_count(path)) for path in mains if line_count(path) >= 80])


def test_tests_wait_for_conditions_and_never_sleep() -> None:
    found = []
    for path in TESTS:
        if not path.name.startswith("test_"):
            continue
        for call, name in calls(path):
            yields = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            if name in {"time.sleep", "asyncio.sleep", "sleep"} and not yields:
                found.append(place(path, call.lineno))
    none_of(found)
