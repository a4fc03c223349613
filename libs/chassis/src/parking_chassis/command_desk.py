"""The desk where a service's commands arrive: NATS requests in, one transaction each, answers out.

A transaction works in the service's request role and sees the command's tenant alone.

An answer is committed with its effect, a refusal without any. A database that is away is a refusal, since the caller is
waiting and can ask again; so is anything unexpected, which goes to the log whole and to the caller not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog
from faststream.nats import NatsBroker, NatsMessage
from faststream.nats.security import NatsSecurity, NatsUserPassword
from faststream.nats.subscriber.usecases import ConcurrentCoreSubscriber
from nats.errors import Error as NatsError
from prometheus_client import Counter

from parking_chassis.dead_letters import UNREADABLE
from parking_chassis.inbox import answer_once
from parking_chassis.nats_connection import PING_SECONDS, keep_hearing, next_server
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool, act_for
from parking_contracts import subjects
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Accepted, ErrorCode, Refusal, Reply

if TYPE_CHECKING:
    from parking_chassis.settings import NatsSettings

log = structlog.get_logger()

FAREWELL_SECONDS = 1.5
START_AGAIN_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 0.01
AT_ONCE = 8  # of each command, per process; what they wait for is the database

Act = Callable[[Connection, Command[Any]], Awaitable[Any]]
"""Does one command inside the caller's transaction; answers a result to encode, or a Refusal, which undoes it."""


class CommandDesk:
    """Answers the commands of one owner; replicas share them as one queue.

    `answered` counts them by name and outcome: `accepted`, or the refusal's code.
    """

    def __init__(self, pool: Pool, *, service: str, schema: str, answered: Counter) -> None:
        self.service = service
        self._pool = pool
        self._request_role = f"{service}_request"
        self._schema = schema
        self._answered = answered

    def open(self, broker: NatsBroker, commands: Mapping[type[CommandBody], Act]) -> None:
        """Subscribe every command: what it carries, and what does it."""
        for body, act in commands.items():
            subscribe = broker.subscriber(body.subject, queue=self._schema, max_workers=AT_ONCE, decoder=raw_body)
            subscribe(self._answerer(subjects.command_name(body.subject), body, act))

    def _answerer(self, name: str, body: type, act: Act) -> Callable[[bytes], Awaitable[bytes]]:
        decode = msgspec.json.Decoder(Command[body]).decode  # type: ignore[valid-type]  # the type is a value here

        async def answer(request: bytes) -> bytes:
            reply = await self._answer(name, decode, act, request)
            self._answered.labels(name, reply.code if isinstance(reply, Refusal) else "accepted").inc()
            return msgspec.json.encode(reply)

        return answer

    async def _answer(self, name: str, decode: Callable[[bytes], Command[Any]], act: Act, request: bytes) -> Reply:
        try:
            command = decode(request)
        except UNREADABLE as error:
            return Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error), details={"command": name})
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await act_for(
                    connection, command.tenant_id, platform_admin=command.platform_admin, role=self._request_role
                )
                return await answer_once(connection, self._schema, command, lambda: _act(act, connection, command))
        except DATABASE_AWAY as error:
            log.warning("command_postponed", command=name, error=repr(error))
            return Refusal(code=ErrorCode.DEPENDENCY_UNAVAILABLE, message="the database is away; ask again soon")
        except asyncpg.DataError as error:
            return Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error), details={"command": name})
        except Exception:
            log.exception("command_failed", command=name, request_id=command.request_id)
            return Refusal(code=ErrorCode.INTERNAL_ERROR, message="the command failed; the service's log says how")


async def _act(act: Act, connection: Connection, command: Command[Any]) -> Reply:
    savepoint = connection.transaction()
    await savepoint.start()
    result = await act(connection, command)
    if isinstance(result, Refusal):
        await savepoint.rollback()
        return result
    await savepoint.commit()
    return Accepted(result=msgspec.Raw(msgspec.json.encode(result)))


async def raw_body(message: NatsMessage) -> bytes:
    """The body as it is: our own decoders read it, with our own errors."""
    return message.body


def command_broker(settings: NatsSettings, service: str) -> NatsBroker:
    """A broker that heals itself, not started yet."""
    options = settings.nats_options(service)
    tls = options.get("tls")
    user, password = options.get("user"), options.get("password", "")
    return NatsBroker(
        options["servers"],
        name=service,
        inbox_prefix=options["inbox_prefix"],
        security=(
            NatsSecurity(ssl_context=tls, tls_handshake_first=tls is not None)
            if user is None
            else NatsUserPassword(user, password, ssl_context=tls, tls_handshake_first=tls is not None)
        ),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        reconnect_to_server_handler=next_server,
        ping_interval=PING_SECONDS,
        logger=None,
    )


async def serve_commands(
    settings: NatsSettings, desk: CommandDesk, commands: Mapping[type[CommandBody], Act]
) -> NatsBroker:
    """Open the desk on a connection of its own; the broker, to be stopped."""
    broker = command_broker(settings, desk.service)
    desk.open(broker, commands)
    await start_heard(broker)
    return broker


async def start_heard(broker: NatsBroker) -> None:
    """Start, and wait until the server has every subscription: whoever asks from now on is heard."""
    while True:
        connection = await broker.connect()
        try:
            await broker.start()
            keep_hearing(connection)
            break
        except NatsError as error:  # no answer about a consumer, while a cluster elects who leads it
            log.warning("commands_postponed", error=repr(error))
        with contextlib.suppress(NatsError, ExceptionGroup):  # what had been opened; the rest is begun anew
            await broker.stop()
        await asyncio.sleep(START_AGAIN_SECONDS)
    with contextlib.suppress(NatsError):  # away again already: it subscribes anew when it is back
        await connection.flush(timeout=2)


async def stop_heard(broker: NatsBroker) -> None:
    """Take no more commands, answer those in hand, and close; a server that is silent or away gets no farewell."""
    with contextlib.suppress(NatsError, TimeoutError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            await _finish_commands(broker)
            await broker.stop()


async def _finish_commands(broker: NatsBroker) -> None:
    """Take no more, and begin those that came: FastStream waits for what it has begun, and forgets the rest."""
    desks = [one for one in broker.subscribers if isinstance(one, ConcurrentCoreSubscriber)]
    subscriptions = [one.subscription for one in desks if one.subscription is not None]
    for one in desks:
        one.subscription = None  # FastStream would end it a second time
    await asyncio.gather(*(one.drain() for one in subscriptions))  # type: ignore[no-untyped-call]  # nats-py's
    while not all(map(_has_begun_all, desks)):  # noqa: ASYNC110  FastStream offers no event
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _has_begun_all(desk: ConcurrentCoreSubscriber) -> bool:
    return desk.limiter.value == AT_ONCE and not desk.receive_stream.statistics().current_buffer_used


def broker_check(broker: NatsBroker) -> Callable[[], Awaitable[str | None]]:
    """A health check of a broker's own connection, which carries commands."""

    async def check() -> str | None:
        return None if await broker.ping(timeout=1) else "commands: not connected, trying again"

    return check
