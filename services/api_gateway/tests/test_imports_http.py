"""CSV in and out over HTTP, with a real engine behind it."""

import csv
import io

import httpx
import pytest

from stack.http_client import http_client

IMPORTS, EXPORTS = "/api/v6/imports", "/api/v6/exports"
NASTY = ("=1+1", "+cmd", "-1", "@x", "'=x", "''", "tab\there", 'say "hi"', "two\r\nlines", "semi;colon", "ü, 駐車場 🅿")


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def platform_api(api, run_service, service_env):
    """The gateway with an engine behind it."""
    await run_service("occupancy_engine", service_env)
    return api


async def send(api, kind: str, body: str | bytes, **options: str) -> httpx.Response:
    headers = {"Content-Type": "text/csv"}
    if "key" in options:
        headers["Idempotency-Key"] = options.pop("key")
    content = body if isinstance(body, bytes) else body.encode()
    return await api.post(f"{IMPORTS}/{kind}", content=content, headers=headers, params=options)


def table(*rows: dict[str, str]) -> str:
    lines = io.StringIO()
    writer = csv.DictWriter(lines, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


async def test_an_export_comes_back_unchanged_and_executes_nowhere(platform_api, gateway) -> None:
    api = platform_api
    sites = table(*({"name": text, "time_zone": "UTC", "latitude": "-1.5", "longitude": "7"} for text in NASTY))
    answer = await send(api, "sites", sites.replace("=1+1", "'=1+1", 1))
    assert answer.json()["counts"]["created"] == len(NASTY), answer.text
    twin = await api.post("/api/v6/sites", json={"name": "''"})
    assert twin.status_code == 201
    for number, text in enumerate(NASTY):
        body = {"site_id": twin.json()["id"], "code": f"C{number}", "name": text, "zone": text, "floor": ""}
        body |= {"metadata": {"note": text, "n": 1.5}, "latitude": -1.25e-05, "longitude": 144.9631}
        assert (await api.post("/api/v6/spaces", json=body)).status_code == 201
    for number, text in enumerate(NASTY):
        body = {"name": text, "heartbeat_seconds": 3600 + number}
        assert (await api.put(f"/api/v6/devices/01010000000000{number:02}", json=body)).status_code == 200
    for kind, count in (("sites", len(NASTY) + 1), ("spaces", len(NASTY)), ("devices", len(NASTY))):
        out = await api.get(f"{EXPORTS}/{kind}")
        assert (out.status_code, out.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        assert out.headers["content-disposition"] == f'attachment; filename="{kind}.csv"'
        cells = [cell for row in csv.reader(io.StringIO(out.text, newline="")) for cell in row]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "@"}]
        back = (await send(api, kind, out.content)).json()
        assert (back["counts"]["unchanged"], back["counts"]["updated"]) == (count, 0), back
        assert [fate["outcome"] for fate in back["rows"]] == ["unchanged"] * count


async def test_a_dry_run_reports_every_rows_fate_and_keeps_nothing(platform_api) -> None:
    api = platform_api
    assert (await send(api, "sites", "name\nStreet")).json()["applied"]
    body = "site,code,name,sensor_eui\nStreet,A1,Bay,\nStreet,A2,Bay,xyz\nNowhere,A3,Bay,\n"
    dry = (await send(api, "spaces", body, dry_run="true", on_error="skip")).json()
    assert (dry["kind"], dry["dry_run"], dry["applied"]) == ("spaces", True, False)
    assert dry["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 2, "not_tried": 0}
    assert [(fate["line"], fate["outcome"], fate["field"]) for fate in dry["rows"]] == [
        (2, "created", None),
        (3, "refused", "sensor_eui"),
        (4, "refused", None),
    ]
    assert (await api.get("/api/v6/spaces")).json()["total"] == 0
    stopped = (await send(api, "spaces", body)).json()
    assert (stopped["applied"], stopped["counts"]["not_tried"]) == (False, 1)
    assert (await api.get("/api/v6/spaces")).json()["total"] == 0
    real = (await send(api, "spaces", body, on_error="skip", key="once")).json()
    assert (real["applied"], real["counts"]) == (True, dry["counts"])
    again = (await send(api, "spaces", body, on_error="skip", key="once")).json()
    assert again == real, "the same key answers as the first time"
    other = await send(api, "spaces", body + "\n,,,\n", on_error="stop", key="once")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_the_largest_file_there_may_be_goes_out_and_comes_back(platform_api, sql, registry, tenant_id) -> None:
    api = platform_api
    site_id = await registry.site(tenant_id, "Street")
    await sql.execute(
        "INSERT INTO occupancy.spaces (tenant_id, site_id, code, name, state, state_layer, state_since) "
        "SELECT $1, $2, 'S' || n, 'Bay ' || n, 'free', 'default', now() FROM generate_series(1, 5000) n",
        *(tenant_id, site_id),
    )
    out = await api.get(f"{EXPORTS}/spaces")
    assert len({line.split(",")[1] for line in out.text.splitlines()}) == 5_001
    back = await send(api, "spaces", out.content)
    assert back.json()["counts"]["unchanged"] == 5_000, back.text[:500]
    too_many = await send(api, "spaces", out.content + b"Street,one too many" + b"," * 10)
    assert too_many.status_code == 422


async def test_what_is_no_table_is_refused_whole(api) -> None:
    for body, line in ((b"", None), (b"site,code\n\xff", None), (b"site,colour\n", 1), (b"site,code\nX,1,2", 2)):
        answer = await send(api, "spaces", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
        assert answer.json()["details"] == {"line": line}
    for content_type in ("application/json", "text/csv; charset=latin-1", ""):
        answer = await api.post(f"{IMPORTS}/sites", content=b"name\nX", headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    large = b"name,time_zone\n" + b'"%s",UTC\n' % (b"\x7f\\" * 10_000) * 300
    answer = await send(api, "sites", large)
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    answer = await send(api, "sites", b"name\n" + b"x\n" * (6 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_the_nouns_own_scope_is_needed_and_another_tenant_sees_nothing(api, gateway, registry, tenant_id) -> None:
    site_id = await registry.site(tenant_id)
    await registry.space(tenant_id, site_id)
    await registry.device(tenant_id, "0101010101010101")
    key = await registry.key(await registry.tenant("other"), "sites:*", "spaces:read", "devices:read")
    headers = {"X-API-Key": key}
    async with http_client(base_url=gateway.url, headers=headers, timeout=20) as other:
        for kind in ("spaces", "devices"):
            assert (await send(other, kind, b"")).status_code == 403
        assert (await send(other, "sites", b"")).status_code == 422
        for kind in ("sites", "spaces", "devices"):
            assert (await other.get(f"{EXPORTS}/{kind}")).text.count("\r\n") == 1
    async with http_client(base_url=gateway.url, timeout=20) as nobody:
        assert (await nobody.get(f"{EXPORTS}/sites")).status_code == 401
        assert (await send(nobody, "sites", b"")).status_code == 401
