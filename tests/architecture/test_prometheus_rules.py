"""Alert rules are valid, fire when they should, name what the services export, and lead to a page that helps."""

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "config" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
RULES: list[dict[str, Any]] = [
    rule
    for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"] for rule in RULES}
# Not of ours: Prometheus's own, the client library's, and those of the machine.
OTHERS = re.compile(r"\b(up|(?:process|node)_\w+)\b(?=[{\[ )])")
SECTIONS = ("For drivers", "See it", "Likely causes, in order", "Do", "Over when")
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
each_page = pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("[A-Z]*[a-z].md")), ids=lambda page: page.stem)


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """The series of every service, as Prometheus would store them."""
    for service in SERVICES:
        importlib.import_module(f"{service}.metrics")
    importlib.import_module("parking_chassis.pool_metrics")
    importlib.import_module("parking_chassis.metrics")
    names: set[str] = set()
    for family in REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
        if family.type == "histogram":
            names.add(family.name)  # in words, where a person is told where to look
    return names


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: apt-get install prometheus")
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return found


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong(promtool: str) -> None:
    run(promtool, "check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")


def test_each_rule_fires_when_it_should_and_not_before(promtool: str) -> None:
    run(promtool, "test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))


def test_each_rule_is_tried() -> None:
    tests = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (PROMETHEUS / "tests").glob("*.yml")]
    assert {one["name"] for file in tests for one in file["tests"]} == ALERTS


def test_a_name_stands_for_one_rule() -> None:
    assert len(ALERTS) == len(RULES) > 0


def test_every_service_is_scraped_under_its_name() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    for service in SERVICES:
        given = compose[service]["environment"]
        port = given.get("PARKSTREAM_HEALTH_PORT") or given["PARKSTREAM_HTTP_PORT"]
        assert targets[service] == [f"{service}:{port}"]


@each_rule
def test_a_rule_names_what_is_exported(rule: dict[str, Any], exported: set[str]) -> None:
    named = set(re.findall(r"parkstream_\w+", str(rule)))
    assert named or OTHERS.search(rule["expr"])
    assert named <= exported


@each_rule
def test_a_rule_says_how_bad_it_is_and_leads_to_its_page(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == ALERTS | {"README"}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\((\w+)\.md\)", index)) == ALERTS


@pytest.fixture(scope="module")
def constants() -> set[str]:
    """Every word that the code has in quotes, the names of log events among them."""
    sources = (path.read_text(encoding="utf-8") for path in ROOT.glob("*/*/src/**/*.py"))
    return {word for source in sources for word in re.findall(r'"([a-z_]+)"', source)}


@each_page
def test_a_page_has_its_parts_and_names_what_there_is(page: Path, exported: set[str], constants: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert tuple(part.partition("\n")[0] for part in parts) == SECTIONS
    assert all(part.partition("\n")[2].strip() for part in parts)
    for start in re.findall(r"parkstream_\w+", text):
        assert any(name.startswith(start) for name in exported), f"no metric begins with {start}"
    for start in re.findall(r"docker compose logs .* \| grep (\w+)$", text, re.MULTILINE):
        assert any(word.startswith(start) for word in constants), f"no log event begins with {start}"


@pytest.fixture(scope="module")
def routes() -> list[re.Pattern[str]]:
    """Every path of the API, parameters open."""
    package = importlib.import_module("api_gateway")
    found: set[str] = set()
    for module in pkgutil.walk_packages(package.__path__, "api_gateway."):
        if not module.name.endswith("__main__"):
            router = getattr(importlib.import_module(module.name), "router", None)
            found |= {route.path for route in getattr(router, "routes", ())}
    return [re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in found]


@each_page
def test_a_page_names_paths_of_the_api_that_there_are(page: Path, routes: list[re.Pattern[str]]) -> None:
    for path in re.findall(r"/api/[\w/{}-]+", page.read_text(encoding="utf-8")):
        assert any(route.fullmatch(path) for route in routes), f"no route is {path}"
