"""Bad input gets a clear 4xx as problem+json, never a 5xx, and nothing of ours leaks."""

import asyncio
import json
import uuid

import pytest

KEY = "pk_bootstrap01_" + "s" * 43
GOOD = {"site_id": str(uuid.uuid4()), "name": "Bay", "code": "A1"}


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


def body(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


BODIES = {
    "empty": (b"", 422),
    "not JSON": (b"{name: 1}", 400),
    "half a document": (b'{"name": "x"', 400),
    "invalid UTF-8": (b'{"name": "\xff\xfe"}', 400),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400),
    "NaN": (body()[:-1] + b', "latitude": NaN, "longitude": 1}', 400),
    "infinity": (body()[:-1] + b', "latitude": Infinity, "longitude": 1}', 400),
    "a float beyond doubles": (body()[:-1] + b', "latitude": 1e999, "longitude": 1}', 422),
    "a number of 5,000 digits": (body()[:-1] + b', "metadata": {"n": ' + b"9" * 5000 + b"}}", 400),
    "an integer beyond 64 bits": (body(metadata={"n": 2**70}), 422),
    "nested 100,000 deep": (body()[:-1] + b', "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, 400),
    "nested 40 deep": (body()[:-1] + b', "metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 41, 400),
    "a key twice": (body()[:-1] + b', "name": "other"}', 400),
    "a nested key twice": (body()[:-1] + b', "metadata": {"a": 1, "a": 2}}', 400),
    "U+0000": (body(name="a\x00b"), 422),
    "U+0000 in metadata": (body(metadata={"a": ["\x00"]}), 422),
    "half a surrogate pair": (body()[:-1] + rb', "zone": "\ud800"}', 422),
    "half a surrogate pair as a key": (body()[:-1] + rb', "metadata": {"\ud800": 1}}', 422),
    "an array": (b"[]", 422),
    "a string": (b'"space"', 422),
    "null": (b"null", 422),
    "a name of 10,000 characters": (body(name="x" * 10_000), 422),
    "an empty name": (body(name=""), 422),
    "a code of 21 characters": (body(code="x" * 21), 422),
    "a kind that does not exist": (body(kind="spaceship"), 422),
    "an unknown field": (body(colour="red"), 422),
    "half a position": (body(latitude=1.0), 422),
    "a latitude off the globe": (body(latitude=90.1, longitude=0), 422),
    "an EUI that is none": (body(sensor_eui="not an eui"), 422),
    "metadata of 20 KiB": (body(metadata={"a": "x" * 20_000}), 422),
    "metadata that is a list": (body(metadata=[]), 422),
    "a site that is no UUID": (body(site_id="1"), 422),
    "a request_id with a space": (body(request_id="a b"), 422),
}


async def test_a_bad_body_is_a_clear_problem(api, subtests) -> None:
    for case, (content, status) in BODIES.items():
        with subtests.test(case):
            answer = await api.post("/api/v6/spaces", content=content, headers={"Content-Type": "application/json"})
            problem = answer.json()
            assert answer.status_code == status, problem
            assert answer.headers["content-type"] == "application/problem+json"
            assert problem["code"] == "VALIDATION_ERROR"
            assert problem["request_id"] == answer.headers["x-request-id"]
            assert 5 < len(problem["message"]) < 1200


QUERIES = [
    "near=nan,nan",
    "near=91,0",
    "near=0,181",
    "near=1",
    "near=1,2,3",
    "near=1,2&radius_m=nan",
    "near=1,2&radius_m=inf",
    "near=1,2&radius_m=-1",
    "near=%D9%A1,2",
    "limit=0",
    "limit=1001",
    "limit=99999999999999999999999",
    "offset=-1",
    "offset=99999999999999999999999",
    "site=7",
    "zone=%00",
    "zone=",
    "building=" + "x" * 101,
    "state=parked",
    "kind=STANDARD%00",
    "include_deleted=perhaps",
]


async def test_a_bad_query_names_its_parameter(api, subtests) -> None:
    for query in QUERIES:
        with subtests.test(query[:60]):
            answer = await api.get(f"/api/v6/spaces?{query}")
            assert answer.status_code == 422, answer.text
            name = query.rpartition("&")[2].partition("=")[0]
            assert [error["field"] for error in answer.json()["details"]["errors"]] == [f"query.{name}"]


async def test_odd_but_harmless_queries_find_nothing(api, subtests) -> None:
    for query in ("floor=%F0%9F%85%BF", "zone=%25FF", "zone=%2B", "state=FREE"):
        with subtests.test(query):
            answer = await api.get(f"/api/v6/spaces?{query}")
            assert (answer.status_code, answer.json()["total"]) == (200, 0)


async def test_a_bad_path_is_422(api, subtests) -> None:
    for path in ("/api/v6/spaces/7", "/api/v6/sites/%00", "/api/v6/devices/xyz", "/api/v6/dead-letters/0"):
        with subtests.test(path):
            assert (await api.get(path)).status_code == 422


async def test_an_unknown_path_and_method(api) -> None:
    answer = await api.get("/api/v6/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    answer = await api.delete("/api/v6/spaces")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) >= {"GET"}


async def test_another_content_type_is_415(api, subtests) -> None:
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x", ""):
        with subtests.test(content_type):
            answer = await api.post("/api/v6/spaces", content=body(), headers={"Content-Type": content_type})
            assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_declared_body_over_10_mib_is_413_before_it_is_sent(gateway) -> None:
    reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"))
    writer.write(b"POST /api/v6/spaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % ((10 << 20) + 1))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head
    writer.close()


async def test_an_undeclared_body_over_10_mib_is_413(api) -> None:
    async def endless():
        for _ in range(11):
            yield b" " * (1 << 20)

    answer = await api.post("/api/v6/spaces", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_every_answer_carries_an_id_and_security_headers(api) -> None:
    for path, given in (("/api/v6/nothing", "my-id.7"), ("/live", "bad id\u00e9"), ("/api/v6/spaces", "")):
        answer = await api.get(path, headers={"X-Request-Id": given.encode("latin-1")})
        assert (answer.headers["x-request-id"] == given) == (given == "my-id.7")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_a_stranger_is_401_before_the_body_is_read(gateway) -> None:
    reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"))
    writer.write(b"POST /api/v6/spaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 1000000\r\n\r\n{")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_a_body_that_never_ends_is_given_up(run_service, gateway_env) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, "PARKSTREAM_REQUEST_SECONDS": "0.5"})
    reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"))
    writer.write(f"POST /api/v6/spaces HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n".encode())
    writer.write(b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 504 ")
    assert b"application/problem+json" in head
    writer.close()
