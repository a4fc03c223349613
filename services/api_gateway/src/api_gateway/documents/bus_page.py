"""The bus's page for people, out of its AsyncAPI document. Pure; it needs no script and no network."""

from __future__ import annotations

from typing import Any

from api_gateway.documents.html import escape, fields_table, folded, inline, page, prose, table

Json = dict[str, Any]


def bus_page(document: Json) -> str:
    """The whole page."""
    info, operations = document["info"], document["operations"]
    schemas = document["components"]["schemas"]
    events = [one for one in operations.values() if one["action"] == "send"]
    commands = [one for one in operations.values() if one["action"] == "receive"]
    return page(
        info["title"],
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        '<nav><a href="/">Index</a><a href="/asyncapi.json">AsyncAPI document</a><a href="/docs">The API</a></nav>',
        prose(info["description"]),
        '<nav><a href="#streams">streams</a><a href="#events">events</a><a href="#commands">commands</a>'
        '<a href="#schemas">schemas</a></nav>',
        '<h2 id="streams">Streams</h2>',
        table(("stream", "subjects", "keeps", "consumers"), map(_stream_row, document["x-streams"])),
        '<h2 id="events">Events</h2>',
        *(_operation(document, one) for one in events),
        '<h2 id="commands">Commands</h2>',
        "<p>Requests on these subjects; each is answered with a "
        '<a href="#schema-Accepted">Accepted</a> or a <a href="#schema-Refusal">Refusal</a>.</p>',
        *(_operation(document, one) for one in commands),
        '<h2 id="schemas">Schemas</h2>',
        *(
            folded(
                f"<b>{escape(name)}</b>",
                prose(schema.get("description", "")) + fields_table(schema, schemas),
                f"schema-{name}",
            )
            for name, schema in sorted(schemas.items())
        ),
    )


def _stream_row(stream: Json) -> tuple[str, ...]:
    days = stream["max_age_seconds"] / 86_400
    kept = f"{days:g} days" if days else "until it is handled"
    return (
        f"<b>{escape(stream['name'])}</b>",
        "<br>".join(f"<code>{escape(one)}</code>" for one in stream["subjects"]),
        f"{kept}, at most {stream['max_bytes'] >> 30} GiB; when full: discard {escape(stream['discard'])}",
        escape(", ".join(stream["consumers"]) or "-"),
    )


def _operation(document: Json, operation: Json) -> str:
    channel = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
    message = document["components"]["messages"][next(iter(channel["messages"]))]
    schemas = document["components"]["schemas"]
    is_event = operation["action"] == "send"
    words = "event" if is_event else "command"
    summary = (
        f'<span class="method {operation["action"]}">{words}</span><span class="path">{escape(message["name"])}</span> '
        f'<span class="what">{inline(operation["summary"])}</span>'
    )
    headers = message.get("headers", {}).get("properties", {})
    body = [
        prose(message["description"]),
        f"<p>Subject <code>{escape(channel['address'])}</code>. {inline(channel['description'])}</p>",
        table(
            ("header", "meaning"), [(f"<code>{escape(n)}</code>", inline(h["description"])) for n, h in headers.items()]
        )
        if headers
        else "",
        "<h3>Body</h3>" + fields_table(_body_of(message["payload"], schemas, is_event=is_event), schemas),
    ]
    return folded(summary, "\n".join(filter(None, body)), message["title"])


def _body_of(payload: Json, schemas: Json, *, is_event: bool) -> Json:
    """An event's own body; of a command what stands under `body` of its envelope."""
    if is_event:
        return payload
    envelope: Json = schemas[payload["$ref"].rpartition("/")[2]]
    body: Json = envelope["properties"]["body"]
    return body
