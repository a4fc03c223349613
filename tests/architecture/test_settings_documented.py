"""config/parkstream.toml documents every setting of every service and of the command line, with its default.

Where something is missing, the failure says which lines to add.
"""

import importlib
import inspect
import itertools
import re
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "config" / "parkstream.toml"
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
SHARED = {
    "NatsSettings": "nats",
    "MqttSettings": "mqtt",
    "ServiceSettings": "every_service",
    "DatabaseSettings": "database",
}
MODULES = {"parking_chassis": SHARED, **{name: {} for name in [*SERVICES, "parkstream"]}}


def own_settings(package: str) -> dict[str, dict[str, FieldInfo]]:
    """The fields that the classes of `<package>.settings` define themselves, by section."""
    module = importlib.import_module(f"{package}.settings")
    found: dict[str, dict[str, FieldInfo]] = {}
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module.__name__:
            own = inspect.get_annotations(value)
            section = found.setdefault(MODULES[package].get(name, package), {})
            section |= {field: value.model_fields[field] for field in own if field in value.model_fields}
    return found


def plain(value: Any) -> Any:
    """A default as TOML would hold it."""
    match value:
        case Enum():
            return value.value
        case bool() | int() | float() | str():
            return value
        case tuple() | list() | frozenset() | set():
            return [plain(each) for each in value]
        case _:
            return str(value)


def suggested(name: str, field: FieldInfo) -> str:
    """The lines that would document a setting."""
    comment = f"# {field.description or '...'}"
    if field.is_required():
        return f"{comment} (required)\n#{name} ="
    default = field.get_default(call_default_factory=True)
    if default is None:
        return f"{comment}\n#{name} ="
    value = plain(default)
    shown = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    return f"{comment}\n{name} = {shown}"


def commented() -> dict[str, set[str]]:
    """The settings shown without a value (`#name =`), by section: required, or without a default."""
    section, found = "", {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif name := re.match(r"#(\w+) =", line):
            found.setdefault(section, set()).add(name[1])
    return found


@pytest.mark.parametrize("package", MODULES)
def test_every_setting_is_documented_with_its_default(package: str) -> None:
    document, without = tomllib.loads(DOCUMENT.read_text(encoding="utf-8")), commented()
    wrong = []
    for section, fields in own_settings(package).items():
        for name, field in fields.items():
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            if default is None:
                right = name in without.get(section, set())
            else:
                right = document.get(section, {}).get(name) == plain(default)
            if not right:
                wrong.append(f"[{section}]\n{suggested(name, field)}")
        stale = (set(document.get(section, {})) | without.get(section, set())) - set(fields)
        wrong += [f"[{section}]\n{name} is documented and does not exist" for name in stale]
    assert not wrong, "config/parkstream.toml needs:\n" + "\n".join(wrong)


def test_every_documented_setting_has_words_above_it() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    bare = [
        line for above, line in itertools.pairwise(lines) if re.match(r"#?\w+ =", line) and not re.match(r"# \w", above)
    ]
    assert not bare


def test_no_section_is_stale() -> None:
    known = {*SHARED.values(), *SERVICES, "parkstream"}
    assert set(tomllib.loads(DOCUMENT.read_text(encoding="utf-8"))) | set(commented()) <= known
