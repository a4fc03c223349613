"""The life of a service process: an event loop, a stop signal, and an end in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog
import uvloop

log = structlog.get_logger()

Serve = Callable[[asyncio.Event], Awaitable[None]]


def run_service(serve: Serve, *, shutdown_seconds: float) -> None:
    """Run `serve(stop)` until it returns; SIGTERM and SIGINT set `stop`.

    A service that has not ended `shutdown_seconds` after the signal is cut off: everything it holds unacknowledged
    is delivered again, so the cut loses nothing.
    """
    uvloop.run(_serve_until_signal(serve, shutdown_seconds))


async def _serve_until_signal(serve: Serve, shutdown_seconds: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if not stop.is_set():
            log.info("service_stopping")
            stop.set()
            loop.call_later(shutdown_seconds, cut_off)

    def cut_off() -> None:
        log.error("service_cut_off", after_seconds=shutdown_seconds)
        os._exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    log.info("service_starting", pid=os.getpid())
    await serve(stop)
    log.info("service_stopped")


@contextlib.asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the given coroutines beside the block; a failure of one ends the block, its end ends them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        yield
        for task in tasks:
            task.cancel()


async def until_stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`, or less when the service stops; true when it stops."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
