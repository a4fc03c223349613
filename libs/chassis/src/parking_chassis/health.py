"""What a service says about itself over HTTP: /live, /ready, /health and /metrics.

Live: the event loop turns. Ready: every dependency answers. Health: the same with words and figures, for people.
The gateway mounts the routes into its own application; every other service serves them on its health port.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from parking_chassis import metrics
from parking_chassis.isolation import failure_of
from parking_chassis.process import is_stopping
from parking_chassis.settings import ServiceSettings
from parking_chassis.tls import server_files

CHECK_SECONDS = 10.0

Check = Callable[[], Awaitable[str | None]]
Stats = Callable[[], Mapping[str, Any]]


class Health:
    """A service's checks and figures. A check answers None when all is well, else what is wrong."""

    def __init__(self, service: str, version: str, *, stats: Stats = dict) -> None:
        self.service = service
        self.version = version
        self._checks: dict[str, Check] = {}
        self._degraded: dict[str, Check] = {}
        self._stats = stats
        self._started = time.monotonic()

    def add_check(self, name: str, check: Check) -> None:
        """A dependency without which the service cannot work."""
        self._checks[name] = check

    def await_checks(self, *names: str) -> None:
        """Dependencies that have not appeared yet: unready until each has a check of its own."""
        for name in names:
            self._checks[name] = _not_connected_yet

    def add_warning(self, name: str, check: Check) -> None:
        """Something that makes the service poorer, but not unready."""
        self._degraded[name] = check

    async def problems(self) -> dict[str, str]:
        """The failing checks, by name; one that is told to end is not ready from that moment on."""
        if is_stopping():
            return {"process": "stopping"}
        return await _failing(self._checks)

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether the service is usable, and the whole story."""
        problems, warnings = await asyncio.gather(_failing(self._checks), _failing(self._degraded))
        status = "unhealthy" if problems else "degraded" if warnings else "healthy"
        checks = {name: problems.get(name) or warnings.get(name) or "ok" for name in (*self._checks, *self._degraded)}
        return not problems, {
            "status": status,
            "service": self.service,
            "version": self.version,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "checks": checks,
            "stats": dict(self._stats()),
        }

    async def watch(self) -> None:
        """Ask every check now and then, for ever, so that /metrics tells of them without asking."""
        while True:
            await failure_of(self._measure())
            await asyncio.sleep(CHECK_SECONDS)

    async def _measure(self) -> None:
        for needed, checks in (("yes", self._checks), ("no", self._degraded)):
            problems = await _failing(checks)
            for name in checks:
                metrics.CHECK_OK.labels(name, needed).set(name not in problems)

    def routes(self) -> list[Route]:
        """The four routes, for mounting."""
        return [
            Route("/live", self._live),
            Route("/ready", self._ready),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
        ]

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _ready(self, _request: Request) -> Response:
        problems = await self.problems()
        if problems:
            return JSONResponse({"status": "unready", "problems": problems}, 503, {"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    async def _health(self, _request: Request) -> Response:
        usable, report = await self.report()
        return JSONResponse(report, 200 if usable else 503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _not_connected_yet() -> str | None:
    return "not connected yet, trying"


async def _failing(checks: Mapping[str, Check]) -> dict[str, str]:
    asked = list(checks.items())  # a check may be added while these answer
    answers = await asyncio.gather(*(_within_3_seconds(check) for _, check in asked))
    return {name: answer for (name, _), answer in zip(asked, answers, strict=True) if answer is not None}


async def _within_3_seconds(check: Check) -> str | None:
    try:
        async with asyncio.timeout(3):
            return await check()
    except TimeoutError:
        return "no answer within 3 s"


class _QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the service decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(host: str, port: int) -> socket.socket:
    """Our own socket, because uvicorn ends the process when it gets none."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}; is the port taken?") from error


@contextlib.asynccontextmanager
async def serve_http(app: Any, host: str, port: int, **options: Any) -> AsyncIterator[uvicorn.Server]:
    """Serve an ASGI application beside the block, and end it with the block."""
    server = _QuietServer(
        uvicorn.Config(app, host, port, log_config=None, access_log=False, timeout_graceful_shutdown=3, **options)
    )
    serving = asyncio.create_task(server.serve([_listening(host, port)]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn offers no event
            await asyncio.sleep(0.01)
        if serving.done():
            raise RuntimeError(f"the HTTP server on {host}:{port} did not start: its application failed")
        # What is there by now stays: walking through it again would stop every request for 100 ms, time after time.
        gc.collect()
        gc.freeze()
        yield server
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def serve_health(health: Health, settings: ServiceSettings) -> AsyncIterator[None]:
    """Serve a service's four routes on its health port."""
    app = Starlette(routes=health.routes())
    tls = server_files("PARKSTREAM_HEALTH_TLS", settings.health_tls_certificate, settings.health_tls_key)
    async with serve_http(app, settings.health_host, settings.health_port, lifespan="off", **tls):
        watching = asyncio.create_task(health.watch())
        try:
            yield
        finally:
            watching.cancel()
