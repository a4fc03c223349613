"""Bad bodies on every route that takes one, found by walking the OpenAPI document: a clear 4xx, and nothing is done.

No owner runs here: a body that got through would be a 503, and fail.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_gateway.http.problems import ProblemError
from api_gateway.http.strict_json import COMMAS_LIMIT, read_json
from parking_contracts.errors import ErrorCode

Json = dict[str, Any]
KEY = "pk_bootstrap01_" + "s" * 43
LIMIT = 10 << 20
# Takes what ChirpStack sends as it is, from senders with a credential of their own, who are asked for it first.
UNTOUCHED = {"/api/v6/webhooks/chirpstack"}


def writes(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path with its example filled in, and the example body of every route that takes JSON."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or path in UNTOUCHED:
                continue
            filled = path
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    filled = filled.replace(f"{{{parameter['name']}}}", str(parameter["schema"]["examples"][0]))
            assert "{" not in filled, path
            several = [one["value"] for one in content.get("examples", {}).values()]
            yield method.upper(), filled, content["example"] if "example" in content else several[0]


@pytest.fixture(scope="module")
def gateway_settings():
    rates = {f"PARKSTREAM_RATE_LIMIT_{kind}_PER_SECOND": "0" for kind in ("READS", "WRITES")}
    # Registering is public, and closed unless the settings say otherwise: its bodies are to be read here.
    return {**rates, "PARKSTREAM_REGISTRATION": "open"}


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Json:
    return (await api.get("/openapi.json")).json()


def broken(example: Json) -> dict[str, tuple[bytes, set[int]]]:
    """Bodies that no route may accept, and what they may be answered."""
    whole = json.dumps(example).encode()
    opened = whole[:-1] + (b", " if example else b"")
    return {
        "no JSON": (b"{name: 1}", {400}),
        "half a document": (whole[:-1], {400}),
        "no UTF-8": (opened + b'"extra": "\xff\xfe"}', {400}),
        "NaN": (opened + b'"extra": NaN}', {400}),
        "a key twice": (opened + b'"extra": 1, "extra": 2}', {400}),
        "5,000 digits": (opened + b'"extra": ' + b"9" * 5000 + b"}", {400}),
        "nested 50,000 deep": (opened + b'"extra": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, {400}),
        "beyond 64 bits": (opened + b'"extra": ' + str(2**70).encode() + b"}", {422}),
        "U+0000": (opened + rb'"extra": "\u0000"}', {422}),
        "half a surrogate pair": (opened + rb'"extra": "\ud800"}', {422}),
        "an unknown field": (opened + b'"extra": 1}', {422}),
        "an array": (b"[]", {422}),
        "a text": (b'"text"', {422}),
        "a number": (b"1e400", {422}),
    }


def require_problem(answer: httpx.Response, statuses: set[int]) -> None:
    assert answer.status_code in statuses, answer.text[:1000]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] in ("VALIDATION_ERROR", "UNSUPPORTED_MEDIA_TYPE", "PAYLOAD_TOO_LARGE")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert "pydantic" not in answer.text


def test_a_repeated_name_is_found_in_one_pass() -> None:
    names = ",".join(f'"{number}": 1' for number in range(COMMAS_LIMIT))
    began = time.monotonic()
    with pytest.raises(ProblemError, match=f"the key '{COMMAS_LIMIT - 1}' stands twice"):
        read_json(f'{{{names}, "{COMMAS_LIMIT - 1}": 1}}'.encode())
    assert time.monotonic() - began < 5  # comparing each with each takes a minute


@pytest.mark.parametrize("body", [b"[%s]" % (b"[]," * 3_000_000), b"{%s}" % (b'"":{},' * 1_500_000)])
def test_very_many_values_are_refused_before_they_are_made(body: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(ProblemError, match="more than 50000 values") as refused:
        read_json(body)
    assert refused.value.code is ErrorCode.PAYLOAD_TOO_LARGE
    assert time.monotonic() - began < 1


async def test_a_broken_body_is_refused_by_every_route(api, document, subtests) -> None:
    routes = list(writes(document))
    assert len(routes) >= 12
    for method, path, example in routes:
        for case, (content, statuses) in broken(example).items():
            with subtests.test(f"{method} {path}: {case}"):
                answer = await api.request(method, path, content=content, headers={"Content-Type": "application/json"})
                require_problem(answer, statuses)


def texts(example: Json, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts of a document stand."""
    members = example.items() if isinstance(example, dict) else enumerate(example)
    for name, value in members:
        if isinstance(value, str):
            yield (*trail, name)
        elif isinstance(value, dict | list) and name != "metadata":
            yield from texts(value, (*trail, name))


def with_value(example: Json, trail: tuple[Any, ...], value: Any) -> bytes:
    copy = json.loads(json.dumps(example))
    place = copy
    for name in trail[:-1]:
        place = place[name]
    place[trail[-1]] = value
    return json.dumps(copy).encode()


async def test_a_text_of_any_field_is_bounded_and_typed(api, document, subtests) -> None:
    for method, path, example in writes(document):
        for trail in texts(example):
            for value in ("x" * 10_000, 2**62, ["a"], {"a": 1}, True):
                with subtests.test(f"{method} {path}: {trail} = {str(value)[:20]}"):
                    answer = await api.request(
                        method,
                        path,
                        content=with_value(example, trail, value),
                        headers={"Content-Type": "application/json"},
                    )
                    require_problem(answer, {422})
                    fields = [error["field"] for error in answer.json()["details"]["errors"]]
                    assert any(str(trail[0]) in field for field in fields), fields


async def test_another_content_type_is_refused_by_every_route(api, document, subtests) -> None:
    for method, path, example in writes(document):
        for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x", ""):
            with subtests.test(f"{method} {path}: {content_type}"):
                content = json.dumps(example or {"a": 1}).encode()
                answer = await api.request(method, path, content=content, headers={"Content-Type": content_type})
                require_problem(answer, {415})


async def test_a_body_that_is_too_large_is_refused_by_every_route(gateway, api, document, subtests) -> None:
    async def endless():
        for _ in range(11):
            yield b" " * (1 << 20)

    for method, path, _ in writes(document):
        with subtests.test(f"{method} {path}, declared"):
            reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"))
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n".encode())
            writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            assert head.startswith(b"HTTP/1.1 413 "), head
            writer.close()
        with subtests.test(f"{method} {path}, streamed"):
            answer = await api.request(method, path, content=endless(), headers={"Content-Type": "application/json"})
            require_problem(answer, {413})
