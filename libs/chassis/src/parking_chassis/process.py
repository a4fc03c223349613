"""The life of a service process: an event loop, a stop signal, and an end in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog
import uvloop

log = structlog.get_logger()

Serve = Callable[[asyncio.Event], Awaitable[None]]
CLOSING_SECONDS = 2.0
LET_GO_SECONDS = 0.1  # of these
# Work in hand is tens of thousands of objects, and no garbage. By Python's own 700 a seventh of the engine's time goes
# into looking through them again and again.
ALLOCATED_BEFORE_COLLECTING = 100_000
SIGNALS = (signal.SIGTERM, signal.SIGINT)
_signalled = False
_last_resorts: list[Callable[[], None]] = []


def is_stopping() -> bool:
    """Whether this process was told to end."""
    return _signalled


def when_giving_up(let_go: Callable[[], None]) -> None:
    """Call this before unfinished work is cancelled: what waits for a silent server cannot even be cancelled."""
    _last_resorts.append(let_go)


def run_service(serve: Serve, *, shutdown_seconds: float) -> None:
    """Run `serve(stop)` until it returns; SIGTERM and SIGINT set `stop`.

    What it has in hand it finishes. If that takes too long, since a dependency is away, the work is given up
    `CLOSING_SECONDS` before `shutdown_seconds` are over, and a service that is not closed then is cut off: everything
    it holds unacknowledged is delivered again, so neither loses anything.
    """
    gc.set_threshold(ALLOCATED_BEFORE_COLLECTING)
    uvloop.run(_serve_until_signal(serve, shutdown_seconds))


async def _serve_until_signal(serve: Serve, shutdown_seconds: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        global _signalled  # noqa: PLW0603  a signal is to the process, and nothing smaller
        if not stop.is_set():
            _signalled = True
            log.info("service_stopping")
            stop.set()
            loop.call_later(max(shutdown_seconds - CLOSING_SECONDS, shutdown_seconds / 2), give_up)
            loop.call_later(shutdown_seconds, cut_off)

    def give_up() -> None:
        loop.set_exception_handler(_say_nothing)
        for let_go in _last_resorts:
            let_go()
        loop.call_later(LET_GO_SECONDS, serving.cancel)  # once it is noticed: what waits is not cancelled politely

    def cut_off() -> None:
        log.error("service_cut_off", after_seconds=shutdown_seconds, waiting=sorted(map(_place, asyncio.all_tasks())))
        os._exit(1)

    for number in SIGNALS:
        # Not the loop's own handlers, which end with the loop: Python takes a moment more to end, and a second signal
        # would end it by default then.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(on_signal))
    log.info("service_starting", pid=os.getpid())
    serving = asyncio.ensure_future(serve(stop))
    try:
        await serving
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        log.warning("unfinished_work_left", why="it took too long; it is delivered again")
    log.info("service_stopped")
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say_nothing(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """How work ends that was given up is no news."""


def _place(task: asyncio.Task[Any]) -> str:
    """What a task waits in, as far as it is known: `OutboxRelay.run at outbox.py:91`."""
    stack = task.get_stack(limit=1)
    name = getattr(task.get_coro(), "__qualname__", "task")
    return f"{name} at {Path(stack[-1].f_code.co_filename).name}:{stack[-1].f_lineno}" if stack else name


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
