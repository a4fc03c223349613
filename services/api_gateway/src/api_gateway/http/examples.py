"""Examples of bodies and answers, put together from the examples that stand beside the fields. Pure.

A text without `examples`, values to choose from, or a format has no example, and then neither has what holds it: the
test of the OpenAPI document names the field that lacks one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Schema = Mapping[str, Any]

NAMED: dict[str, Any] = {"total": 1, "limit": 100, "offset": 0, "metadata": {}, "next_cursor": None}
FORMATS: dict[str, str] = {
    "date-time": "2026-05-04T10:00:00Z",
    "date": "2026-05-04",
    "time": "10:00:00Z",
    "email": "driver@example.com",
    "uri": "https://hooks.example.com/parking",
    "duration": "PT15M",
    "ipvanyaddress": "203.0.113.7",
}
_NOUNS = ("space", "site", "reservation", "tenant", "user", "alert", "delivery", "endpoint", "downlink")


class NoExampleError(ValueError):
    """A field has no example; the message names it."""


class ExampleMaker:
    """Makes examples out of the schemas of one OpenAPI document."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._open: list[str] = []

    def example_of(self, schema: Schema, *, sent: bool = False) -> Any:
        """One value that the schema allows.

        Args:
            schema: JSON Schema as Pydantic writes it; `$ref` leads into the document's components.
            sent: Whether a client sends it: what it may leave out is then left out, unless it has an example.

        Raises:
            NoExampleError: A field lacks one.
        """
        return self._make(schema, "", sent, "")

    def _make(self, schema: Schema, name: str, sent: bool, owner: str) -> Any:
        if schema.get("examples"):
            return schema["examples"][0]
        if "$ref" in schema:
            return self._referred(schema["$ref"], name, sent)
        if name in NAMED:
            return NAMED[name]
        given = [schema[key] for key in ("const", "default") if schema.get(key) is not None]
        if given or "enum" in schema:
            return [*given, *schema.get("enum", ())][0]
        branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if branches:
            return self._branch(branches, name, sent, owner)
        make: Callable[[Schema, str, bool, str], Any] | None = getattr(self, f"_{schema.get('type', 'any')}", None)
        if make is None:
            raise NoExampleError(self._place(name))
        return make(schema, name, sent, owner)

    def _branch(self, branches: Sequence[Schema], name: str, sent: bool, owner: str) -> Any:
        """The first that is not null; null where that has no example."""
        choices = [one for one in branches if one.get("type") != "null"]
        try:
            return self._make(choices[0], name, sent, owner)
        except NoExampleError:
            if len(choices) < len(branches):
                return None
            raise

    def _referred(self, reference: str, name: str, sent: bool) -> Any:
        title = reference.rpartition("/")[2]
        if title in self._open:
            return None
        self._open.append(title)
        try:
            return self._make(self._components[title], name, sent, title)
        finally:
            self._open.pop()

    def _place(self, name: str) -> str:
        return ".".join([*self._open, name])

    def _object(self, schema: Schema, name: str, sent: bool, owner: str) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            key: self._make(member, key, sent, owner)
            for key, member in schema.get("properties", {}).items()
            if not sent or key in required or (member.get("examples") and key != "request_id")
        }

    def _array(self, schema: Schema, name: str, sent: bool, owner: str) -> list[Any]:
        if "prefixItems" in schema:
            return [self._make(one, name, sent, owner) for one in schema["prefixItems"]]
        return [self._make(schema.get("items", {"const": None}), name, sent, owner)]

    def _string(self, schema: Schema, name: str, sent: bool, owner: str) -> str:
        if schema.get("format") in ("uuid", "uuid4", "uuid7"):
            return _uuid(name, owner)
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        raise NoExampleError(self._place(name))

    def _integer(self, schema: Schema, name: str, sent: bool, owner: str) -> int:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        return int(max(least, min(1, schema.get("maximum", 1))))

    def _number(self, schema: Schema, name: str, sent: bool, owner: str) -> float:
        return float(max(schema.get("minimum", schema.get("exclusiveMinimum", -0.5) + 0.5), 0.0))

    def _boolean(self, schema: Schema, name: str, sent: bool, owner: str) -> bool:
        return False

    def _null(self, schema: Schema, name: str, sent: bool, owner: str) -> None:
        return None

    def _any(self, schema: Schema, name: str, sent: bool, owner: str) -> None:
        return None


def _uuid(name: str, owner: str) -> str:
    """The same for `id` of a Space and `space_id` elsewhere, so that examples fit each other."""
    noun = next((one for one in _NOUNS if one in owner.lower()), owner.lower()) if name == "id" else name
    return str(uuid5(NAMESPACE_URL, noun.removesuffix("_id")))
