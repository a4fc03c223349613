"""What every operation of the OpenAPI document gets besides what its route says, in one place.

In: the document as FastAPI makes it. Out: the same with a summary from the docstring, examples, the errors and headers
that follow from what the route is (it takes a body or a key for retries, it has a caller, it guards by If-Match), and
the probes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from api_gateway.http.etags import ETAG_HEADER
from api_gateway.http.examples import ExampleMaker, NoExampleError
from api_gateway.http.paging import LINK_HEADER
from api_gateway.http.probes import PROBES
from api_gateway.http.problem_examples import describe_status, problem_response_of, response_name
from api_gateway.http.problems import MEDIA_TYPE

Json = dict[str, Any]
_ALWAYS = (400, 422, 500, 503, 504)
_WITH_CALLER = (401, 403, 429)
_WITH_BODY = (413, 415)
_SUCCESS = {"201": "Made; `Location` names it", "204": "Done; there is nothing to say"}
_PROBLEM_REFERENCE = "#/components/schemas/Problem"
REQUEST_ID_HEADER = {"description": "names the request in our logs", "schema": {"type": "string"}}


def complete(document: Json) -> Json:
    """The document, changed in place."""
    components = document.setdefault("components", {})
    maker = ExampleMaker(components.get("schemas", {}))
    statuses: set[int] = set()
    for path, operations in document["paths"].items():
        is_tagged = any(_takes(operation, "if-match") for operation in operations.values())
        for operation in operations.values():
            operation["summary"] = summary_of(operation.get("description", ""))
            operation.setdefault("security", [])
            _tidy_parameters(operation, maker)
            statuses |= _complete_errors(path, operation)
            _complete_headers(operation, is_tagged=is_tagged)
            _complete_examples(operation, maker)
    components["responses"] = {response_name(status): problem_response_of(status) for status in sorted(statuses)}
    document["paths"] |= PROBES
    return document


def summary_of(description: str) -> str:
    """The first sentence, as a line of a list."""
    first = re.split(r"[.;:](?=\s|$)", description.strip(), maxsplit=1)[0]
    return " ".join(first.split())


def _takes(operation: Json, header: str) -> bool:
    return any(one["name"].lower() == header for one in operation.get("parameters", ()))


def _tidy_parameters(operation: Json, maker: ExampleMaker) -> None:
    """A parameter that is not there is left out, and cannot be null; header names are written as people do."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        schema.pop("title", None)
        branches = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
        if len(branches) == 1:
            del schema["anyOf"]
            parameter["schema"] = schema = {**branches[0], **schema}
        if parameter["in"] == "header":
            parameter["name"] = "-".join(part.capitalize() for part in parameter["name"].split("-"))
        if parameter["required"] and not schema.get("examples"):
            schema["examples"] = [_example(maker, {**schema, "examples": None}, parameter["name"])]


def _complete_errors(path: str, operation: Json) -> set[int]:
    """Give each status its shared response, unless the route describes it in words of its own; the statuses shared."""
    responses = operation["responses"]
    has_caller = any("ApiKey" in one for one in operation["security"])
    expected = {*_ALWAYS, *(_WITH_CALLER if has_caller else ()), *(404,) * ("{" in path)}
    expected |= set(_WITH_BODY) if "requestBody" in operation else set()
    expected |= {412} if _takes(operation, "if-match") else set()
    expected |= {409} if _takes(operation, "idempotency-key") else set()
    shared = set()
    for status in sorted(expected | {int(one) for one in responses if one >= "400"}):
        given = responses.get(str(status), {})
        schema = given.get("content", {}).get("application/json", {}).get("schema", {})
        is_problem = not given or schema.get("$ref") in (_PROBLEM_REFERENCE, None)
        words = given.get("description", describe_status(status))
        if is_problem and words == describe_status(status):
            responses[str(status)] = {"$ref": f"#/components/responses/{response_name(status)}"}
            shared.add(status)
        elif is_problem:
            responses[str(status)] = {**problem_response_of(status), "description": words}
        else:
            given["content"] = {MEDIA_TYPE: given["content"]["application/json"]}
    operation["responses"] = dict(sorted(responses.items()))
    return shared


def _successes(operation: Json) -> Iterator[tuple[str, Json]]:
    return ((status, one) for status, one in operation["responses"].items() if status < "400")


def _complete_headers(operation: Json, *, is_tagged: bool) -> None:
    names = {one["name"] for one in operation.get("parameters", ())}
    for status, response in _successes(operation):
        headers = response.setdefault("headers", {})
        headers.setdefault("X-Request-Id", REQUEST_ID_HEADER)
        if names & {"offset", "cursor"}:
            headers.setdefault("Link", LINK_HEADER)
        if is_tagged and response.get("content"):
            headers.setdefault("ETag", ETAG_HEADER)
        if status == "201":
            headers.setdefault("Location", {"description": "the new record's path", "schema": {"type": "string"}})
        if response.get("description") == "Successful Response":
            response["description"] = _SUCCESS.get(status, "The answer")


def _complete_examples(operation: Json, maker: ExampleMaker) -> None:
    if "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            _add_example(content, maker, sent=True)
    for _, response in _successes(operation):
        for content in response.get("content", {}).values():
            _add_example(content, maker, sent=False)


def _add_example(content: Json, maker: ExampleMaker, *, sent: bool) -> None:
    if "example" in content or "examples" in content or "schema" not in content:
        return
    try:
        content["example"] = maker.example_of(content["schema"], sent=sent)
    except NoExampleError:
        return  # the document is served all the same; its test says which field it is


def _example(maker: ExampleMaker, schema: Json, name: str) -> Any:
    try:
        return maker.example_of({"type": "object", "properties": {name: schema}, "required": [name]})[name]
    except NoExampleError:
        return None
