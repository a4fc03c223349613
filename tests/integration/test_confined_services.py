"""The five services as their containers confine them: they do all their work and write nothing, anywhere."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import pytest
import yaml

from parkstream.embedded import child
from stack.confined import USER, ConfinedService, confined, why_not
from stack.http_client import http_client
from stack.platform import APPLICATION, Platform
from stack.servers import scratch_directory
from stack.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
KEY = "pk_bootstrap01_" + "s" * 43
SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
DEV_EUI = "0101c0ffee000001"
PLACES = ("/", "/etc", "/var/tmp", "/dev/shm", "/home", str(ROOT), str(ROOT / "dist"), sys.prefix)

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


def declared_tmpfs(name: str) -> str:
    """The options of the one place where compose.yaml lets a service write."""
    (mount,) = COMPOSE["services"][name]["tmpfs"]
    place, _, options = mount.partition(":")
    assert place == "/tmp"
    return options


def test_the_confinement_confines():
    script = "import pathlib, sys\nfor place in sys.argv[1:]:\n try: pathlib.Path(place, 'mark').write_text('x')\n"
    script += " except OSError: pass\n else: print(place)\n"
    command = confined([sys.executable, "-c", script, "/tmp", *PLACES], ConfinedService.tmpfs)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["/tmp"], done.stdout + done.stderr
    assert not [place for place in ("/tmp", *PLACES) if Path(place, "mark").exists()]


def chirpstack_uplink(f_cnt: int, occupied: bool) -> bytes:
    info = {"applicationId": APPLICATION, "devEui": DEV_EUI, "deviceProfileName": "Bosch TPS110"}
    body = {"deduplicationId": f"confined-{f_cnt}", "time": datetime.now(UTC).isoformat(), "deviceInfo": info}
    body |= {"devAddr": "00189440", "fCnt": f_cnt, "fPort": 1, "data": "AQ==" if occupied else "AA=="}
    return json.dumps(body).encode()


async def sense(mqtt_url: str, f_cnt: int, occupied: bool) -> None:
    url = urlsplit(mqtt_url)
    login = {"username": unquote(url.username or ""), "password": unquote(url.password or "")}
    async with aiomqtt.Client(url.hostname or "", url.port or 1883, identifier=f"confined-{f_cnt}", **login) as client:
        topic = f"application/{APPLICATION}/device/{DEV_EUI}/event/up"
        await client.publish(topic, chirpstack_uplink(f_cnt, occupied), qos=1)


async def use_it(platform: Platform, api: Any, mqtt_url: str) -> None:
    """An arrival, a booking and a departure: something for each of them to do."""
    await platform.settle_in()
    space_id = await platform.space(DEV_EUI)
    for f_cnt, occupied in ((1, True), (2, False)):
        await sense(mqtt_url, f_cnt, occupied)

        async def shown(state: str = "occupied" if occupied else "free") -> bool:
            return await platform.state(space_id) == (state, "sensor")

        await eventually(shown, 20)
    site = await api.post("/api/v6/sites", json={"name": "Confined", "time_zone": "UTC"})
    assert site.status_code == 201, site.text
    made = await api.post("/api/v6/spaces", json={"site_id": site.json()["id"], "name": "One", "code": "C-1"})
    assert made.status_code == 201, made.text
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    booking = {
        "space_id": made.json()["id"],
        "starts_at": tomorrow.isoformat(),
        "ends_at": (tomorrow + timedelta(hours=1)).isoformat(),
        "email": "ada@example.com",
    }
    booked = await api.post("/api/v6/reservations", json=booking)
    assert booked.status_code == 201, booked.text


async def test_services_work_as_nobody_on_a_read_only_root(service_env: dict[str, str], platform: Platform):
    logs = scratch_directory("confined")
    given = {**service_env, "PARKSTREAM_MQTT_PROTOCOL": "3.1.1", "PARKSTREAM_BOOTSTRAP_API_KEY": KEY}
    services = {name: ConfinedService(name, given, logs / f"{name}.log") for name in SERVICES}
    try:
        await asyncio.gather(*(service.start() for service in services.values()))
        async with http_client(base_url=services["api_gateway"].url, headers={"X-API-Key": KEY}, timeout=30) as api:
            await use_it(platform, api, service_env["PARKSTREAM_MQTT_URL"])
        for name, service in services.items():
            status = service.status()
            assert set(status["Uid"].split()) == {str(USER)}
            assert (status["NoNewPrivs"], status["CapEff"]) == ("1", f"{1 << 2:016x}"), "reading, nothing else"
            assert service.tmpfs == declared_tmpfs(name)
            assert service.written() == []
            assert "Read-only file system" not in child.last_lines(service.log, 500)
        assert {name: service.stop() for name, service in services.items()} == dict.fromkeys(SERVICES, 0)
    finally:
        for service in services.values():
            service.end()
            print(f"--- log of {service.log.stem}\n{child.last_lines(service.log, 40)}")  # noqa: T201  pytest shows it
