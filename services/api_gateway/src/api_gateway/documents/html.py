"""HTML out of texts and schemas: everything that comes in is escaped here. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return PAGE.format(title=escape(title), body="\n".join(parts))


def escape(text: object) -> str:
    """Text as HTML."""
    return html.escape(str(text))


def prose(text: str) -> str:
    """Paragraphs, lists and `code` of a description."""
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block.strip())


def _block(block: str) -> str:
    lines = [line.strip() for line in block.strip().splitlines()]
    if lines[0].startswith("- "):
        items = "\n".join(lines)[2:].split("\n- ")
        return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in items)}</ul>"
    return f"<p>{inline(' '.join(lines))}</p>"


def inline(text: str) -> str:
    """One line, with `code` and [links](/to/pages)."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    coded = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", coded)
    return re.sub(r"\[([^\]]+)\]\((/[\w./#-]*)\)", r'<a href="\2">\1</a>', coded)


REQUIRED = '<span class="need" title="required">*</span>'


def named(name: str, *, required: bool) -> str:
    """A field's name."""
    return f"<code>{escape(name)}</code>{REQUIRED if required else ''}"


def code(text: str) -> str:
    """A block of code."""
    return f"<pre><code>{escape(text)}</code></pre>"


def as_json(value: Any) -> str:
    """A value as a block of JSON."""
    return code(json.dumps(value, indent=2, ensure_ascii=False))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def folded(summary: str, body: str, anchor: str = "") -> str:
    """A heading that opens; both are HTML already."""
    name = f' id="{escape(anchor)}"' if anchor else ""
    return f"<details{name}><summary>{summary}</summary><div>{body}</div></details>"


def fields_table(schema: Schema, components: Mapping[str, Schema]) -> str:
    """The fields of an object; those of objects inside it are behind their names, elsewhere on the page."""
    target = _resolved(schema, components)
    required = target.get("required", ())
    rows = [
        (
            named(name, required=name in required),
            type_of(member),
            inline(str(_described(member, components))),
        )
        for name, member in target.get("properties", {}).items()
    ]
    return table(("field", "type", "meaning"), rows) if rows else ""


def _resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    return components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _described(member: Schema, components: Mapping[str, Schema]) -> str:
    """Its own words, or those of what it is."""
    own = member.get("description")
    return own if own is not None else str(_resolved(member, components).get("description", "")).partition("\n")[0]


_LIMITS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "exclusiveMinimum": "> {}",
    "minLength": "{}+ characters",
    "maxLength": "≤ {} characters",
    "maxItems": "≤ {} entries",
}


def type_of(schema: Schema) -> str:
    """What a schema allows, in few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(json.dumps(one))}</code>" for one in values)
    branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if branches:
        return " or ".join(dict.fromkeys(type_of(one) for one in branches))
    if schema.get("type") == "array":
        inside = schema.get("prefixItems") or [schema.get("items", {})]
        return f"list of {', '.join(type_of(one) for one in inside)}"
    return _plain_type(schema)


def _plain_type(schema: Schema) -> str:
    name = escape(schema.get("format") or schema.get("type", "any JSON"))
    limits = [words.format(escape(schema[key])) for key, words in _LIMITS.items() if key in schema]
    return f"{name} ({', '.join(limits)})" if limits else name
