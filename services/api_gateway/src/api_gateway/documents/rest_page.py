"""The API's page for people, out of its OpenAPI document. Pure; it needs no script and no network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from api_gateway.documents.html import (
    as_json,
    code,
    escape,
    fields_table,
    folded,
    inline,
    named,
    page,
    prose,
    table,
    type_of,
)

Json = dict[str, Any]


def rest_page(document: Json) -> str:
    """The whole page."""
    info = document["info"]
    tags = [tag for tag in document.get("tags", ()) if any(_operations(document, tag["name"]))]
    known = {tag["name"] for tag in tags}
    tags += [{"name": name, "description": ""} for name in sorted(_used_tags(document) - known)]
    schemas = document["components"]["schemas"]
    return page(
        f"{info['title']} API",
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>",
        '<nav><a href="/">Index</a><a href="/openapi.json">OpenAPI document</a><a href="/docs/bus">The bus</a></nav>',
        prose(info.get("description", "")),
        "<nav>",
        *(f'<a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a>' for tag in tags),
        '<a href="#errors">errors</a><a href="#schemas">schemas</a></nav>',
        *(_section(document, tag) for tag in tags),
        '<h2 id="errors">Errors</h2>',
        "<p>Every operation names those it can give. Each has one shape, and its <code>code</code> says why.</p>",
        *(_shared_response(name, response) for name, response in document["components"]["responses"].items()),
        '<h2 id="schemas">Schemas</h2>',
        *(_schema(name, schema, schemas) for name, schema in sorted(schemas.items())),
    )


def _used_tags(document: Json) -> set[str]:
    operations = [operation for one in document["paths"].values() for operation in one.values()]
    return {operation["tags"][0] for operation in operations if operation.get("tags")}


def _anchor(name: str) -> str:
    return "tag-" + escape(name.replace(" ", "-"))


def _operations(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation.get("tags", ("other",))[0] == tag:
                yield path, method, operation


def _section(document: Json, tag: Json) -> str:
    operations = "\n".join(_operation(document, *one) for one in _operations(document, tag["name"]))
    return (
        f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>{prose(tag.get("description", ""))}\n{operations}'
    )


def _operation(document: Json, path: str, method: str, operation: Json) -> str:
    schemas = document["components"]["schemas"]
    summary = (
        f'<span class="method {method}">{method.upper()}</span><span class="path">{escape(path)}</span> '
        f'<span class="what">{inline(operation["summary"])}</span>'
    )
    parts = [prose(operation["description"]), _security(operation), _parameters(operation)]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts += ["<h3>Body</h3>", _content(media_type, content, schemas)]
    parts += ["<h3>Call</h3>", code(curl(path, method, operation)), "<h3>Answers</h3>"]
    parts += [_answer(status, response, document) for status, response in operation["responses"].items()]
    return folded(summary, "\n".join(filter(None, parts)), operation["operationId"])


def _security(operation: Json) -> str:
    scopes = sorted({scope for one in operation["security"] for needed in one.values() for scope in needed})
    if not operation["security"]:
        return "<p>Public: asks for no credential of a caller.</p>"
    needs = " and ".join(f"<code>{escape(scope)}</code>" for scope in scopes)
    return f"<p>Needs {needs}.</p>" if scopes else "<p>Needs a credential of any kind.</p>"


def _parameters(operation: Json) -> str:
    rows = [
        (
            named(one["name"], required=one["required"]),
            escape(one["in"]),
            type_of(one["schema"]),
            inline(str(one.get("description", ""))),
        )
        for one in operation.get("parameters", ())
    ]
    return f"<h3>Parameters</h3>{table(('name', 'in', 'type', 'meaning'), rows)}" if rows else ""


def _content(media_type: str, content: Json, schemas: Json) -> str:
    shown = "".join(
        (f"<p>{escape(words)}</p>" if words else "") + (code(example) if isinstance(example, str) else as_json(example))
        for words, example in _examples(content)
    )
    return f"<p><code>{escape(media_type)}</code></p>{shown}{fields_table(content.get('schema', {}), schemas)}"


def _examples(content: Json) -> list[tuple[str, Any]]:
    """The examples with a word on each; the one that says it all has none."""
    if "example" in content:
        return [("", content["example"])]
    return [(one.get("summary", name), one["value"]) for name, one in content.get("examples", {}).items()]


def _answer(status: str, response: Json, document: Json) -> str:
    if "$ref" in response:
        name = response["$ref"].rpartition("/")[2]
        words = document["components"]["responses"][name]["description"]
        return f'<p><a href="#error-{escape(name)}"><code>{status}</code></a> {inline(words)}</p>'
    schemas = document["components"]["schemas"]
    inside = "".join(_content(kind, content, schemas) for kind, content in response.get("content", {}).items())
    headers = ", ".join(f"<code>{escape(name)}</code>" for name in response.get("headers", ()))
    more = f"<p>Headers: {headers}</p>" if headers else ""
    return folded(f"<code>{status}</code> {inline(response['description'])}", inside + more)


def _shared_response(name: str, response: Json) -> str:
    examples = [as_json(one["value"]) for one in next(iter(response["content"].values()))["examples"].values()]
    return folded(f"<b>{escape(name)}</b> {inline(response['description'])}", "".join(examples), f"error-{name}")


def _schema(name: str, schema: Json, schemas: Json) -> str:
    body = prose(schema.get("description", "")) + (fields_table(schema, schemas) or f"<p>{type_of(schema)}</p>")
    return folded(f"<b>{escape(name)}</b>", body, f"schema-{name}")


def curl(path: str, method: str, operation: Json) -> str:
    """The call as a line to copy, with the examples filled in."""
    query = []
    for one in operation.get("parameters", ()):
        examples = one["schema"].get("examples")
        if one["in"] == "path" and examples:
            path = path.replace(f"{{{one['name']}}}", str(examples[0]))
        elif one["in"] == "query" and one["required"] and examples:
            query.append(f"{one['name']}={examples[0]}")
    words = ["curl", *(("-X", method.upper()) if method != "get" else ())]
    if operation["security"]:
        words += ["-H", "X-API-Key: $KEY"]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        words += [
            "-H",
            f"Content-Type: {media_type}",
            "-d",
            json.dumps(next((one for _, one in _examples(content)), {})),
        ]
    address = f"$PARKSTREAM{path}{'?' + '&'.join(query) if query else ''}"
    return " ".join([*(_quoted(word) for word in words), f'"{address}"'])


def _quoted(word: str) -> str:
    return f'"{word}"' if "$KEY" in word else shlex.quote(word)
