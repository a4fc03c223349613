"""The documents: every operation is described, secured, exemplified and names its errors; the pages need no network."""

import asyncio
import json
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from api_gateway.app import build_app
from api_gateway.documents.asyncapi import describe_bus
from api_gateway.documents.bus_messages import bus_events, command_bodies
from api_gateway.documents.rest_page import rest_page
from api_gateway.http.examples import ExampleMaker, NoExampleError
from api_gateway.settings import Settings
from parking_chassis.health import Health
from parking_contracts.streams import STREAMS
from stack.http_client import http_client

Json = dict[str, Any]

# Whoever asks has no credential yet, or is a machine of the operator's.
PUBLIC = {
    *("/live", "/ready", "/health", "/metrics"),
    *("/api/auth/register", "/api/auth/login", "/api/auth/refresh", "/api/auth/jwks"),
}


@pytest.fixture(scope="module")
def document() -> Json:
    """As the application serves it, which needs no database for that."""
    settings = Settings(database_url="postgresql://nobody@localhost/none", nats_url="nats://localhost")
    app = build_app(SimpleNamespace(settings=settings), Health("api_gateway", "0"))

    async def ask() -> Json:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
            return (await client.get("/openapi.json")).json()

    return asyncio.run(ask())


def operations(document: Json) -> list[tuple[str, Json]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def resolved(document: Json, response: Json) -> Json:
    if "$ref" not in response:
        return response
    return document["components"]["responses"][response["$ref"].rpartition("/")[2]]


def contents(operation: Json) -> list[tuple[str, Json]]:
    """Everything that is sent and answered, by where it stands, but for shared responses."""
    found = [("body", content) for content in operation.get("requestBody", {}).get("content", {}).values()]
    for status, response in operation["responses"].items():
        found += [(status, content) for content in response.get("content", {}).values()]
    return found


def examples(content: Json) -> list[Any]:
    several = [one["value"] for one in content.get("examples", {}).values()]
    return [content["example"], *several] if "example" in content else several


def expected_errors(name: str, operation: Json) -> set[str]:
    if "/api/" not in name:
        return set()
    headers = {one["name"].lower() for one in operation.get("parameters", ()) if one["in"] == "header"}
    expected = {"400", "422", "500", "503", "504"}
    has_caller = any("ApiKey" in one for one in operation["security"])
    expected |= {"401", "403", "429"} if has_caller else set()
    expected |= {"413", "415"} if "requestBody" in operation else set()
    expected |= {"404"} if "{" in name else set()
    expected |= {"412"} if "if-match" in headers else set()
    return expected | ({"409"} if "idempotency-key" in headers else set())


def test_every_operation_is_described_and_secured(document, subtests) -> None:
    assert document["openapi"] == "3.1.0"
    assert len(operations(document)) >= 30
    for name, operation in operations(document):
        with subtests.test(name):
            assert len(operation["description"]) > 20
            assert 5 < len(operation["summary"]) <= 120
            assert operation["tags"]
            path = name.partition(" ")[2]
            assert bool(operation["security"]) == (path not in PUBLIC), "public operations are listed in this test"
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), parameter["name"]
    tags = {tag["name"] for tag in document["tags"]}
    assert {operation["tags"][0] for _, operation in operations(document)} <= tags


def test_every_operation_names_its_errors_as_problems(document, subtests) -> None:
    for name, operation in operations(document):
        with subtests.test(name):
            missing = expected_errors(name, operation) - set(operation["responses"])
            assert not missing
            for status, response in operation["responses"].items():
                if status >= "400" and "/api/" in name:
                    assert list(resolved(document, response)["content"]) == ["application/problem+json"], status


def test_every_body_and_answer_has_an_example_that_its_schema_allows(document, subtests) -> None:
    components = document["components"]
    maker = ExampleMaker(components["schemas"])

    @cache
    def check_of(schema: str) -> Any:
        return jsonschema_rs.validator_for({**json.loads(schema), "components": components}, validate_formats=True)

    shared = [(name, one) for name, shown in components["responses"].items() for one in shown["content"].values()]
    everything = {"shared responses": shared}
    everything |= {name: contents(operation) for name, operation in operations(document)}
    for name, found in everything.items():
        with subtests.test(name):
            for where, content in found:
                if content["schema"].get("format") == "binary":
                    continue  # no bytes in JSON
                if not examples(content):
                    with pytest.raises(NoExampleError) as lacking:
                        maker.example_of(content["schema"], sent=where == "body")
                    pytest.fail(f"give the field an example: {lacking.value}")
                for example in examples(content):
                    check_of(json.dumps(content["schema"])).validate(example)


def test_operation_ids_are_unique(document) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))


PAGES = {"/docs": "/openapi.json", "/docs/bus": "/asyncapi.json", "/": "/docs"}


async def test_the_pages_ask_no_other_host_and_run_no_script(gateway, document, subtests) -> None:
    async with http_client(base_url=gateway.url, timeout=60, headers={"Accept": "text/html"}) as stranger:
        for path, linked in PAGES.items():
            with subtests.test(path):
                answer = await stranger.get(path)
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/html")
                assert "<script" not in answer.text
                assert not re.findall(r'(?:src|href)="(?!/|#)', answer.text)
                assert "style-src 'self'" in answer.headers["content-security-policy"]
                assert f'href="{linked}"' in answer.text
                anchors = set(re.findall(r'href="#([^"]+)"', answer.text))
                assert anchors <= set(re.findall(r'id="([^"]+)"', answer.text))
        assert (await stranger.get("/docs/style.css")).headers["content-type"].startswith("text/css")
        assert (await stranger.get("/openapi.json")).json() == document
        assert (await stranger.get("/asyncapi.json")).json() == json.loads(msgspec.json.encode(describe_bus()))
        index = await stranger.get("/", headers={"Accept": "*/*"})
        for path in index.json()["links"]:
            assert (await stranger.get(path)).status_code == 200


def test_a_page_shows_every_operation_and_escapes_what_it_shows(document) -> None:
    page = rest_page(document)
    for _, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page
    assert "pk_&lt;id&gt;_&lt;secret&gt;" in page


def test_the_bus_is_described_with_every_event_and_command() -> None:
    document = describe_bus()
    assert document["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {body.subject for body in command_bodies()} <= addresses
    assert {event.subject for event in bus_events()} <= addresses
    assert [stream["name"] for stream in document["x-streams"]] == [stream.name for stream in STREAMS]
    messages = document["components"]["messages"]
    created = messages["SpaceCreated"]
    assert created["name"] == "parkstream.space.created.v1"
    assert created["payload"] == {"$ref": "#/components/schemas/SpaceCreated"}
    assert created["headers"]["properties"]["ce-type"]["const"] == "parkstream.space.created.v1"
    for message in messages.values():
        jsonschema_rs.validator_for({**message["payload"], "components": document["components"]})


def test_every_reference_and_parameter_of_the_bus_document_leads_somewhere(subtests) -> None:
    document = describe_bus()

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [one for member in value.values() for one in references(member)]
        return [one for member in value for one in references(member)] if isinstance(value, list) else []

    for reference in set(references(document)):
        with subtests.test(reference):
            target: Any = document
            for part in reference.removeprefix("#/").split("/"):
                target = target[part]
    for event in bus_events():
        assert event.stream is not None, f"no stream keeps {event.subject}"
        assert event.producer, f"the docstring of {event.name}'s module does not say who produces it"
