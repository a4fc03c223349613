"""ChirpStack's gRPC API as everything here calls it: one channel, one token, a deadline on every call.

In: a method of a stub and its request. Out: the answer, or one of two errors: NetworkAwayError when nothing is wrong
with what was asked, CallRefusedError when ChirpStack itself refused it. While it is away nothing is called; `watch`
asks by itself until it is back.

What cannot be told apart by the answer alone (a missing right comes as UNAUTHENTICATED, like a forged token; a proxy's
page as UNKNOWN, like a bug) is settled by asking what every good key may ask: its list of ADR algorithms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import structlog
from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpc import aio

from downlink_dispatcher import metrics
from downlink_dispatcher.network.availability import Availability
from downlink_dispatcher.network.token import Token, TokenError
from downlink_dispatcher.network.transport import NetworkAwayError
from downlink_dispatcher.settings import NetworkSettings
from parking_chassis.isolation import failure_of
from parking_chassis.tls import TlsFileError

log = structlog.get_logger()

Code = grpc.StatusCode
AWAY = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED})
# ChirpStack's own words about what was asked: they prove that it is there.
UNDISPUTED = frozenset(
    {Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE}
)
DENIED = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED})
WORDS_LIMIT = 300
CA_SETTING = "PARKSTREAM_CHIRPSTACK_TLS_CA"
IDLE_PROBE_SECONDS = 30.0
TOKEN_LOOK_SECONDS = 1.0

OPTIONS = (
    # A connection that died without a word is noticed; pings only while something is asked, as servers want it.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Left to itself, gRPC waits up to two minutes before it connects again.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # One call is one attempt: Enqueue may not be repeated by anybody but us.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.max_receive_message_length", 32 << 20),
    # Or a new channel would be given the connection of the old one.
    ("grpc.use_local_subchannel_pool", 1),
)

Method = Callable[..., Awaitable[Any]]


class CallRefusedError(Exception):
    """ChirpStack answered and refused; `words` are its own, `code` its status."""

    def __init__(self, code: grpc.StatusCode, words: str) -> None:
        super().__init__(f"{code.name}: {words}" if words else code.name)
        self.code = code
        self.words = words

    @property
    def is_denied(self) -> bool:
        """Whether the key, good as it is, has no right to this."""
        return self.code in DENIED


class ChirpStack:
    """One ChirpStack. Make it inside the running loop; `watch` belongs beside it, `close` ends it."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.availability = Availability("chirpstack")
        self._url = settings.chirpstack_url
        self._deadline = settings.chirpstack_deadline_seconds
        self._token = Token(settings.chirpstack_token.get_secret_value(), settings.chirpstack_token_file)
        self._ca = settings.chirpstack_tls_ca
        self._is_silent = False
        self._probing = asyncio.Lock()
        self._proof_began = float("-inf")
        self._connect()

    def _connect(self) -> None:
        self._channel = open_channel(self._url, self._ca)
        self.tenants = api.TenantServiceStub(self._channel)
        self.applications = api.ApplicationServiceStub(self._channel)
        self.profiles = api.DeviceProfileServiceStub(self._channel)
        self.devices = api.DeviceServiceStub(self._channel)
        self.gateways = api.GatewayServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close(None)

    async def call(self, name: str, method: Method, request: Message) -> Any:
        """Call a method of a stub.

        Raises:
            NetworkAwayError: It is away, or refuses our token, or what answers is no ChirpStack.
            CallRefusedError: It refused this request.
        """
        self.availability.require()
        began = time.monotonic()
        outcome = "away"
        try:
            try:
                answer = await self._ask(method, request)
            except CallRefusedError as error:
                if error.code not in UNDISPUTED:
                    await self._prove_since(began)
                outcome = error.code.name.lower()
                raise
            outcome = "ok"
            return answer
        finally:
            metrics.NETWORK_CALLS.labels(name, outcome).inc()
            metrics.NETWORK_CALL_SECONDS.observe(time.monotonic() - began)

    async def watch(self) -> None:
        """Ask while it is away until it is back, and now and then when nobody else asks, for ever."""
        while True:
            if self._is_silent:
                await self._connect_anew()
            async with self._probing:
                failure = await failure_of(self._probe())
            if failure is not None and not isinstance(failure, NetworkAwayError):
                # Whatever it was: who stopped asking now would never find it back.
                log.error("network_probe_failed", exc_info=failure)
                self.availability.lost(f"ChirpStack at {self._url} cannot be asked: {failure!r}")
            await self._until_next_probe()

    async def _connect_anew(self) -> None:
        """Leave a connection on which nothing comes back: what swallows it may take a new one to somebody alive."""
        silent = self._channel
        self._is_silent = False
        self._connect()
        await silent.close(self._deadline + 1)  # longer than any call takes that is under way there

    async def _prove_since(self, moment: float) -> None:
        """Settle that it has been a good ChirpStack since then. Who fails beside others takes the same answer.

        Raises:
            NetworkAwayError: It is none, or does not take our token.
        """
        async with self._probing:
            self.availability.require()
            if self._proof_began < moment:
                await self._probe()

    async def _until_next_probe(self) -> None:
        while not await self.availability.until_away(IDLE_PROBE_SECONDS):
            if self.availability.quiet_seconds >= IDLE_PROBE_SECONDS:
                return
        while (wait := self.availability.retry_seconds) > 0 and self.availability.problem is not None:
            await asyncio.sleep(min(wait, TOKEN_LOOK_SECONDS))
            if self.availability.is_refused and self._token_was_changed():
                return

    def _token_was_changed(self) -> bool:
        try:
            return self._token.reread_if_changed()
        except TokenError:
            return False

    async def _probe(self) -> None:
        began = time.monotonic()
        try:
            await self._ask(self.profiles.ListAdrAlgorithms, Empty())
        except CallRefusedError as error:
            if error.is_denied:
                self._token.expire()
                raise self.availability.refused(
                    f"ChirpStack refuses our API token ({error}): {self._token.remedy}"
                ) from None
            raise self.availability.lost(
                f"what answers at {self._url} is no ChirpStack, or a broken one ({error}): "
                "PARKSTREAM_CHIRPSTACK_URL must lead to its gRPC API"
            ) from None
        self._proof_began = began

    async def _ask(self, method: Method, request: Message) -> Any:
        token = self._read_token()
        try:
            answer = await method(request, timeout=self._deadline, metadata=(("authorization", f"Bearer {token}"),))
        except aio.AioRpcError as error:
            code, words = error.code(), _printable(error.details() or "")
            if code in AWAY:
                self._is_silent = code is Code.DEADLINE_EXCEEDED
                raise self.availability.lost(_words_of(code, words, self._url, self._deadline)) from None
            if code in DENIED and self._read_token() != token:
                return await self._ask(method, request)  # rotated while this was under way
            if code in UNDISPUTED:
                self.availability.answered()
            raise CallRefusedError(code, words) from None
        if answer is None:  # how gRPC hands over what it could not parse
            raise CallRefusedError(Code.DATA_LOSS, "the answer is no message of ChirpStack's")
        self.availability.answered()
        return answer

    def _read_token(self) -> str:
        try:
            return self._token.read()
        except TokenError as error:
            raise self.availability.refused(str(error)) from None


def open_channel(url: str, ca: Path | None) -> aio.Channel:
    """A channel to http://host[:port] (plain) or https://host[:port] (TLS); connects when first used."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    if parts.scheme == "http":
        return aio.insecure_channel(f"{host}:{parts.port or 80}", options=OPTIONS)
    try:
        roots = ca.read_bytes() if ca is not None else None
    except OSError as error:
        raise TlsFileError(f"{CA_SETTING}={ca}: {error.strerror}; it must be a PEM file of authorities") from None
    return aio.secure_channel(f"{host}:{parts.port or 443}", grpc.ssl_channel_credentials(roots), options=OPTIONS)


def _printable(words: str) -> str:
    """A server's words as a log and a database take them."""
    return "".join(one if one.isprintable() else " " for one in words[:WORDS_LIMIT])


def _words_of(code: grpc.StatusCode, words: str, url: str, deadline: float) -> str:
    if code is Code.DEADLINE_EXCEEDED:
        return f"ChirpStack at {url} did not answer within {deadline:g} s"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        words += (
            f"; set {CA_SETTING} to the PEM file of the authority that signed its certificate, and use the host name "
            "that stands in there"
        )
    return f"ChirpStack at {url} cannot be reached: {words or code.name}"
