"""A real Prometheus beside a platform that runs here: the shipped configuration, with other addresses.

In: the address of each service. Out: answers to PromQL. It ends with the context, and its data with it.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from parkstream.embedded import child, ports

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "prometheus"
START_SECONDS = 30.0
STOP_STEPS = ((signal.SIGTERM, 5.0),)


def executable() -> str | None:
    """Debian's package is called prometheus, and so is what it brings."""
    return shutil.which("prometheus")


class Prometheus:
    """A client of Prometheus's HTTP API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, expr: str) -> list[dict[str, Any]]:
        """The instant vector that an expression comes to now. Raises ValueError: it cannot be evaluated."""
        answer = (await self._client.post("/api/v1/query", data={"query": expr})).json()
        if answer["status"] != "success":
            raise ValueError(f"{answer['error']}: {expr}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    async def rules(self) -> list[dict[str, Any]]:
        """Every alert rule as Prometheus sees it."""
        answer = (await self._client.get("/api/v1/rules")).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    async def wait_until_it_answers(self) -> None:
        """Wait; TimeoutError after START_SECONDS."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    if (await self._client.get("/-/ready")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)


def configuration(targets: Mapping[str, str], own: str) -> dict[str, Any]:
    """The shipped one, its jobs at these addresses and every second; of a machine nobody tells here."""
    config: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(SHIPPED / "rules" / "*.yml")]
    places = {**targets, "prometheus": own}
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": [places[job["job_name"]]]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in places
    ]
    return config


def _start(command: str, home: Path, address: str) -> subprocess.Popen[bytes]:
    arguments = {
        "config.file": home / "prometheus.yml",
        "storage.tsdb.path": home / "data",
        "web.listen-address": address,
    }
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [command, *(f"--{name}={value}" for name, value in arguments.items())],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@asynccontextmanager
async def prometheus_beside(targets: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """Run it until the block ends; `targets` are `host:port` by job. RuntimeError: it is not installed."""
    command = executable()
    if command is None:
        raise RuntimeError("Prometheus is not installed: apt-get install prometheus")
    own = f"127.0.0.1:{ports.free_port()}"
    with tempfile.TemporaryDirectory(prefix="parkstream-prometheus-") as name:
        home = Path(name)
        (home / "prometheus.yml").write_text(yaml.safe_dump(configuration(targets, own)), encoding="utf-8")
        process = _start(command, home, own)
        try:
            async with httpx.AsyncClient(base_url=f"http://{own}", trust_env=False, timeout=10) as client:
                prometheus = Prometheus(client)
                await prometheus.wait_until_it_answers()
                yield prometheus
        finally:
            child.stop_process(process, STOP_STEPS)
