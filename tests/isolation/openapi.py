"""Requests made from the running gateway's own OpenAPI document, with the ids of whichever tenant is wanted.

In: the document. Out: for each operation, requests whose parameters and bodies name a tenant's things. A new operation
is walked as soon as it is served; a parameter whose meaning is unknown here fails the tests by its name.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from isolation.callers import PLATFORM_ADMIN
from isolation.tenant import Tenant

METHODS = ("get", "post", "put", "patch", "delete")
_numbers = itertools.count(1)
TOMORROW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)


def names_of(tenant: Tenant) -> dict[str, Any]:
    """What parameters and fields of these names mean, for one tenant."""
    return {
        **dict.fromkeys(("tenant", "tenant_id"), str(tenant.id)),
        **dict.fromkeys(("site", "site_id"), str(tenant.own("site"))),
        **dict.fromkeys(("space", "space_id"), str(tenant.own("space"))),
        **dict.fromkeys(("dev_eui", "sensor_eui", "device"), tenant.eui("sensor")),
        "display_eui": tenant.eui("display"),
        **dict.fromkeys(("gateway", "gateway_id"), tenant.eui("gateway")),
        "downlink_id": str(tenant.own("downlink")),
        "reservation_id": str(tenant.own("reservation")),
        "user_id": str(tenant.own("user")),
        "session_id": str(tenant.own("session")),
        "alert_id": str(tenant.own("alert")),
        **dict.fromkeys(("webhook", "webhook_id", "endpoint", "endpoint_id"), str(tenant.own("webhook"))),
        "delivery_id": str(tenant.own("delivery")),
        "replay_id": str(tenant.own("replay")),
        "key_id": tenant.key_id(),
        **dict.fromkeys(("credential", "credential_id"), tenant.key_id("ingress")),
        "source": tenant.source,
        "application_id": tenant.application,
        "application_ids": [tenant.application],
        "site_ids": [str(tenant.own("site"))],
        "email": tenant.email,
        "zone": tenant.word,
    }


@dataclass(frozen=True)
class Request:
    """One request, and the names in it that belong to a tenant."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    named: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    description: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def rights(self) -> list[frozenset[str]] | None:
        """What a caller needs: one of these sets of scopes for each kind of credential; None for everybody's."""
        given = self.description.get("security")
        return None if not given else [frozenset(scopes) for one in given for scopes in one.values()]

    @property
    def credentials(self) -> set[str]:
        """The kinds of credential that it takes."""
        return {name for one in self.description.get("security") or () for name in one}

    @property
    def is_for_the_platform(self) -> bool:
        """Whether it looks across tenants by design, for the platform's admin alone."""
        return self.rights is not None and all(PLATFORM_ADMIN in right for right in self.rights)

    @property
    def streams(self) -> bool:
        """Whether the answer has no end."""
        return any(
            "text/event-stream" in answer.get("content", {}) for answer in self.description["responses"].values()
        )

    def compose(self, names: Mapping[str, Any], query: str | None = None) -> Request:
        """A request that names what `names` means; of the optional query parameters at most one."""
        path, asked, headers, named = self.path, {}, {}, set()
        for parameter in self.description.get("parameters", ()):
            name, where = parameter["name"], parameter["in"]
            wanted = parameter.get("required", False) or (where == "query" and name == query)
            if not wanted:
                continue
            value = self._value(name, parameter["schema"], names, named, f"{where} parameter")
            if where == "path":
                path = path.replace(f"{{{name}}}", str(value))
            elif where == "query":
                asked[name] = value
            else:
                headers[name] = str(value)
        content = self.description.get("requestBody", {}).get("content", {})
        if "text/csv" in content:
            text = self._csv(content["text/csv"]["example"], names, named)
            return Request(self.method, path, asked, {**headers, "Content-Type": "text/csv"}, text, frozenset(named))
        body = self._body(content, names, named)
        return Request(self.method, path, asked, headers, body, frozenset(named))

    def tenant_queries(self, names: Mapping[str, Any]) -> Iterator[str]:
        """The optional query parameters that name something of a tenant."""
        for parameter in self.description.get("parameters", ()):
            if parameter["in"] == "query" and not parameter.get("required") and parameter["name"] in names:
                yield parameter["name"]

    def _csv(self, example: str, names: Mapping[str, Any], named: set[str]) -> str:
        """The example's first row, with what its columns name of a tenant."""
        columns, values, *_ = list(csv.reader(io.StringIO(example)))
        named.update(column for column in columns if column in names)
        row = [names.get(column, value) for column, value in zip(columns, values, strict=True)]
        text = io.StringIO()
        csv.writer(text).writerows([columns, row])
        return text.getvalue()

    def _body(self, content: Mapping[str, Any], names: Mapping[str, Any], named: set[str]) -> Any:
        if "application/json" not in content:
            return None
        media = content["application/json"]
        if "example" in media and "properties" not in self._resolved(media["schema"]):
            return chirpstack_names(media["example"], names, named)
        return self._value("body", media["schema"], names, named, "body")

    def _value(self, name: str, schema: Mapping[str, Any], names: Mapping[str, Any], named: set[str], what: str) -> Any:
        schema = self._resolved(schema)
        if name in names:
            named.add(name)
            return names[name] if schema.get("type") != "array" or isinstance(names[name], list) else [names[name]]
        assert schema.get("format") != "uuid", (
            f"{self}: the isolation matrix does not know whose {what} {name!r} is: add it to isolation.openapi.names_of"
        )
        assert what != "path parameter" or schema.get("type") == "integer" or "enum" in schema, (
            f"{self}: the isolation matrix does not know the {what} {name!r}: add it to isolation.openapi.names_of"
        )
        if schema.get("type") == "object" and "properties" in schema:
            return {
                key: self._value(key, part, names, named, "field")
                for key, part in schema["properties"].items()
                if key in schema.get("required", ()) or key in names or not schema.get("required")
            }
        if schema.get("type") == "array":
            return [self._value(name, schema["items"], names, named, what)] if schema.get("minItems") else []
        return plain_value(name, schema)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
            if choice.get("type") != "null":
                return {**schema, **self._resolved(choice), "examples": schema.get("examples", choice.get("examples"))}
        return schema


def chirpstack_names(example: Any, names: Mapping[str, Any], named: set[str]) -> Any:
    """An example of ChirpStack's own JSON, with the application and the device of a tenant."""
    meant = {"applicationId": "application_id", "devEui": "dev_eui"}
    if not isinstance(example, dict):
        return example
    named.update(meant[key] for key in example if key in meant)
    return {
        key: names[meant[key]] if key in meant else chirpstack_names(value, names, named)
        for key, value in example.items()
    }


def plain_value(name: str, schema: Mapping[str, Any]) -> Any:
    """A value that belongs to nobody: new each time where it may have to be unique."""
    number = next(_numbers)
    by_name = {
        "code": f"C{number}",
        "password": "correct horse battery staple",
        "request_id": str(uuid4()),
        **dict.fromkeys(("starts_at", "start", "from"), (TOMORROW + timedelta(hours=2 * number)).isoformat()),
        **dict.fromkeys(("ends_at", "end", "to", "until"), (TOMORROW + timedelta(hours=2 * number + 1)).isoformat()),
    }
    if name in by_name:
        return by_name[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("default") is not None:
        return schema["default"]
    by_type = {"integer": int(schema.get("minimum", 1)), "number": schema.get("minimum", 1), "boolean": False}
    by_type |= {"object": {}, "array": [], "null": None}
    if schema.get("format") == "date-time":
        return TOMORROW.isoformat()
    if schema.get("format") == "date":
        return TOMORROW.date().isoformat()
    return by_type.get(schema.get("type", "string"), "x" * max(1, schema.get("minLength", 1)))


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation: reads, then deletions (nothing of others is among our own yet), then writes.

    What ends a session comes last.
    """
    schemas = document.get("components", {}).get("schemas", {})
    every = [
        Operation(method, path, description, schemas)
        for path, methods in document["paths"].items()
        for method, description in methods.items()
        if method in METHODS
    ]
    order = {"get": 0, "delete": 1}
    return sorted(every, key=lambda one: (one.path.endswith("/logout"), order.get(one.method, 2)))
