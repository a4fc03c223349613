"""What surrounds every request: rate limits with Retry-After, other origins, TLS, addresses that are no text."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.http.rate_limits import TokenBuckets
from stack.http_client import http_client

KEY = "pk_bootstrap01_" + "s" * 43
SPACES = "/api/v6/spaces"


@given(
    st.floats(0.1, 1000),
    st.integers(1, 200),
    st.lists(st.floats(0, 5), max_size=300),
)
def test_never_more_than_the_burst_and_what_has_flowed_in(rate: float, burst: int, pauses: list[float]) -> None:
    buckets = TokenBuckets(rate, burst)
    now, taken = 1000.0, 0
    for pause in pauses:
        now += pause
        if buckets.tokens("a", now) >= 1:
            buckets.take("a", now)
            taken += 1
    assert taken <= burst + (now - 1000.0) * rate + 1e-6


def test_a_bucket_fills_again_and_others_are_untouched() -> None:
    buckets = TokenBuckets(10, 5)
    for _ in range(5):
        buckets.take("a", 100.0)
    assert buckets.tokens("a", 100.0) < 1
    assert buckets.tokens("b", 100.0) == 5
    assert buckets.tokens("a", 100.1) == pytest.approx(1)
    assert buckets.tokens("a", 200.0) == 5


def test_the_buckets_are_bounded() -> None:
    buckets = TokenBuckets(1, 5, keys_limit=100)
    for number in range(1000):
        buckets.take(number, 1.0)
    assert len(buckets) == 100
    assert buckets.tokens(999, 1.0) == 4


class TestPatience:
    @pytest.fixture
    def gateway_env(self, gateway_env):
        return {
            **gateway_env,
            "PARKSTREAM_HTTP_HEAD_SECONDS": "0.3",
            "PARKSTREAM_EVENTS_STREAMS_PER_TENANT": "1",
        }

    async def test_trickling_clients_and_tenants_with_too_many_streams_are_sent_away(self, api) -> None:
        for beginning in (b"", b"GET /live HTTP/1.1\r\n", b"GET /live HTTP/1.1\r\nHost: a\r\n\r\nGET /live HTTP/1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.base_url.port)
            writer.write(beginning)
            async with asyncio.timeout(5):
                answered = await reader.read()  # ends when the gateway closes
            assert answered.count(b"HTTP/1.1 200") == beginning.count(b"\r\n\r\n")
            writer.close()
        async with api.stream("GET", "/api/v6/events") as first:
            assert first.status_code == 200
            lines = first.aiter_lines()
            await anext(lines)
            refused = await api.get("/api/v6/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
            assert refused.headers["Retry-After"]


class TestLimited:
    @pytest.fixture
    def gateway_env(self, gateway_env):
        rates = {
            "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0.01",
            "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0.01",
            "PARKSTREAM_RATE_LIMIT_BURST_SECONDS": "500",
            "PARKSTREAM_RATE_LIMIT_TENANT_FACTOR": "1.6",
        }
        return {**gateway_env, **rates}

    async def test_a_key_its_tenant_and_other_tenants(self, api, registry, tenant_id) -> None:
        for left in (4, 3, 2, 1, 0):
            answer = await api.get(SPACES)
            assert answer.status_code == 200
            assert answer.headers["ratelimit"].startswith(f'"reads-per-credential";r={left};t=')
            assert answer.headers["ratelimit-policy"] == '"reads-per-credential";q=5;w=500'
        refused = await api.get(SPACES)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (429, "RATE_LIMITED")
        assert 80 <= int(refused.headers["retry-after"]) <= 100
        assert problem["details"] == {"limit": "reads", "per": "credential", "per_second": 0.01, "burst": 5.0}

        writes = [(await api.delete(f"{SPACES}/x")).status_code for _ in range(6)]
        assert writes == [422] * 5 + [429]  # apart from reads

        colleague = {"X-API-Key": await registry.key(tenant_id, "*")}
        asked = [(await api.get(SPACES, headers=colleague)) for _ in range(4)]
        assert [one.status_code for one in asked] == [200, 200, 200, 429]
        assert asked[-1].json()["details"]["per"] == "tenant"
        stranger = {"X-API-Key": await registry.key(await registry.tenant("other"), "*")}
        assert (await api.get(SPACES, headers=stranger)).status_code == 200

    async def test_health_and_strangers_are_not_counted(self, gateway) -> None:
        async with http_client(base_url=gateway.url) as client:
            for _ in range(12):
                assert (await client.get("/health")).status_code == 200
                assert (await client.get("/metrics")).status_code == 200
                assert (await client.get(SPACES)).status_code == 401


class TestOrigins:
    @pytest.fixture
    def gateway_env(self, gateway_env):
        return {
            **gateway_env,
            "PARKSTREAM_CORS_ORIGINS": "https://console.example, http://localhost:5173",
            "PARKSTREAM_HSTS_SECONDS": "3600",
        }

    async def test_a_named_origin_may_ask_and_read_the_headers(self, api) -> None:
        asks = {"Origin": "https://console.example", "Access-Control-Request-Method": "PATCH"}
        asks["Access-Control-Request-Headers"] = "x-api-key,if-match,content-type"
        preflight = await api.options(SPACES, headers=asks)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://console.example"
        assert "access-control-allow-credentials" not in preflight.headers
        for path, status in ((SPACES, 200), ("/api/v6/nothing", 404), (f"{SPACES}?zone=%FF", 400)):
            answer = await api.get(path, headers={"Origin": "http://localhost:5173"})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
                status,
                "http://localhost:5173",
            )
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"ETag", "Link", "Retry-After", "X-Request-Id"} <= set(exposed)
            assert answer.headers["strict-transport-security"] == "max-age=3600; includeSubDomains"

    async def test_another_origin_may_not(self, api) -> None:
        answer = await api.get(SPACES, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_without_the_settings_no_origin_is_allowed_and_tls_is_not_claimed(api) -> None:
    answer = await api.get(SPACES, headers={"Origin": "https://console.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    for name in ("content-security-policy", "x-frame-options", "referrer-policy", "cross-origin-resource-policy"):
        assert name in answer.headers


async def test_an_origin_that_is_none_is_refused_at_start(run_service, gateway_env, subtests) -> None:
    from api_gateway.settings import HttpSettings

    for origin in ("console.example", "https://a.example/path", "ftp://a.example"):
        with subtests.test(origin), pytest.raises(ValueError, match="is no origin"):
            HttpSettings(cors_origins=origin)


BAD_ADDRESSES = {
    f"{SPACES}?zone=%FF%FE": (400, "query.zone"),
    f"{SPACES}?zone=%ED%A0%80": (400, "query.zone"),
    f"{SPACES}?zone=a%00b": (422, "query.zone"),
    f"{SPACES}?%FF=1": (400, "query"),
    f"{SPACES}/%C3%28": (400, "path"),
    "/api/v6/devices/%00": (422, "path"),
    "/%FF": (400, "path"),
}


async def test_an_address_that_is_no_text_is_refused_before_anything_reads_it(api, subtests) -> None:
    for address, (status, field) in BAD_ADDRESSES.items():
        with subtests.test(address):
            answer = await api.get(address)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (status, "VALIDATION_ERROR")
            assert [error["field"] for error in problem["details"]["errors"]] == [field]


BAD_HEADERS = {
    "If-Match": (b"\xff\xfe", 422),
    "Idempotency-Key": (b"\xc3\x28 x", 422),
    "X-API-Key": (b"\xff", 401),
    "Content-Type": (b"application/json\xff", 415),
}


async def test_header_values_that_are_no_text_are_a_4xx(api, subtests) -> None:
    for name, (value, status) in BAD_HEADERS.items():
        with subtests.test(name):
            answer = await api.patch(f"{SPACES}/{'0' * 8}-0000-4000-8000-{'0' * 12}", json={}, headers={name: value})
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_parameter_that_nobody_asked_for_is_named(api, subtests) -> None:
    asked = {
        f"{SPACES}?zones=a": ["query.zones"],
        f"{SPACES}?zone=a&zone=b": ["query.zone"],
        f"{SPACES}?zone=a&a=1&b=2": ["query.a", "query.b"],
        "/api/v6/sites?near=1,2": ["query.near"],
        "/api/v6/events?tenant=1": ["query.tenant"],
        "/api/v6/spaces/stats/occupancy?zone=a": ["query.zone"],
        "/api/v6/dead-letters?offset=1": ["query.offset"],
    }
    for address, fields in asked.items():
        with subtests.test(address):
            answer = await api.get(address)
            assert answer.status_code == 422
            assert [error["field"] for error in answer.json()["details"]["errors"]] == fields
    several = await api.get("/api/v6/events?zone=a&zone=b&type=nonsense")
    assert [error["field"] for error in several.json()["details"]["errors"]] == ["query.type.0"]
