"""Schemathesis over the OpenAPI document: no 5xx, no answer that the document does not know, by a whole real platform.

`PARKSTREAM_SCHEMATHESIS_EXAMPLES` sets how many cases each operation gets beside the fixed ones (1 in a usual run).
`PARKSTREAM_SCHEMATHESIS_ARGS` are more words for its command line, e.g. `--include-tag reservations`.
"""

import asyncio
import os
import shlex
import sys
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import pytest

from stack.http_client import http_client

KEY = "pk_bootstrap01_" + "s" * 43
EXAMPLES = os.environ.get("PARKSTREAM_SCHEMATHESIS_EXAMPLES", "1")
MORE = shlex.split(os.environ.get("PARKSTREAM_SCHEMATHESIS_ARGS", ""))
SEED = "20260504"
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "negative_data_rejection"),
    *("unsupported_method", "missing_required_header"),
)
NEVER_ENDING = "/api/v6/events"
OWNERS = ("occupancy_engine", "reservation_service", "downlink_dispatcher")
DISPLAY, GATEWAY = "2020200000000001", "0016c001f153a14c"


@pytest.fixture
def gateway_env(gateway_env):
    rates = {f"PARKSTREAM_RATE_LIMIT_{kind}_PER_SECOND": "0" for kind in ("READS", "WRITES")}
    return {**gateway_env, **rates}


@pytest.fixture
async def platform_url(gateway, run_service, service_env, registry, tenant_id) -> str:
    """A gateway with every owner behind it, and the things that the document's examples name."""
    await asyncio.gather(*(run_service(owner, service_env) for owner in OWNERS))
    names = {noun: uuid5(NAMESPACE_URL, noun) for noun in ("site", "space")}
    await registry.sql.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 'Market Square', 'UTC')",
        *(tenant_id, names["site"]),
    )
    await registry.device(tenant_id, "70b3d57ed0061a2b")
    await registry.space(tenant_id, names["site"], id=names["space"], code="A-1", sensor_eui="70b3d57ed0061a2b")
    await put_displays(registry.sql, tenant_id, names["space"])
    return gateway.url


async def put_displays(sql: asyncpg.Connection, tenant_id: UUID, space_id: UUID) -> None:
    """A display in an application of the tenant, its gateway, and something that was sent to it."""
    await sql.execute(
        "INSERT INTO occupancy.applications (tenant_id, source, application_id) VALUES ($1, 'mqtt', 'displays')",
        tenant_id,
    )
    await sql.execute(
        "INSERT INTO occupancy.devices (tenant_id, dev_eui, source, application_id) "
        "VALUES ($1, $2, 'mqtt', 'displays')",
        *(tenant_id, DISPLAY),
    )
    await sql.execute(
        "INSERT INTO downlink.displays (tenant_id, dev_eui, codec, space_id, gateway_id) "
        "VALUES ($1, $2, 'kuando_busylight', $3, $4)",
        *(tenant_id, DISPLAY, space_id, GATEWAY),
    )
    await sql.execute(
        "INSERT INTO downlink.gateways (tenant_id, gateway_id, network_tenant_id, name, state, synced_at) "
        "VALUES ($1, $2, 'city', 'Town hall', 'online', now())",
        *(tenant_id, GATEWAY),
    )
    await sql.execute(
        "INSERT INTO downlink.downlinks (tenant_id, id, dev_eui, kind, f_port, payload, status, expires_at, ended_at) "
        "VALUES ($1, $2, $3, 'custom', 15, '\\x0501', 'expired', now(), now())",
        *(tenant_id, uuid5(NAMESPACE_URL, "downlink"), DISPLAY),
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_no_request_gets_a_5xx_or_an_answer_that_is_not_documented(platform_url: str, tmp_path: Path) -> None:
    async with http_client(base_url=platform_url, timeout=60) as client:
        document = tmp_path / "openapi.json"
        document.write_text((await client.get("/openapi.json")).text)
    words = [
        *("run", str(document), "--url", platform_url, "--header", f"X-API-Key: {KEY}"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES),
        # One worker: two threads that parse Python at once can fail each other in 3.11 ("recursion depth mismatch").
        *("--seed", SEED, "--workers", "1", "--exclude-path", NEVER_ENDING, "--continue-on-failure"),
        *("--request-timeout", "20", "--no-shrink", "--warnings", "off", "--no-color", "--generation-database", "none"),
    ]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *words,
        *MORE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await process.communicate()
    report = output.decode(errors="replace")
    print(report)  # noqa: T201  pytest shows it
    assert process.returncode == 0, report[-20_000:]
