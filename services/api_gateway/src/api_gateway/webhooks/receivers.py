"""One attempt: the signed body posted to a receiver, and what it answered.

A receiver is a stranger. The whole attempt ends after its time limit, redirects are not followed, of the answer the
status counts and at most 4 KiB of the body are read (so that the connection can be used again), and every error comes
back as words that a tenant may read. No proxy and no credential of the environment is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import httpcore
import httpx

from api_gateway import VERSION
from api_gateway.settings import WebhookSettings
from api_gateway.webhooks.addresses import AddressRule, read_network
from api_gateway.webhooks.network import AddressRefusedError, GuardedNetwork, Resolve, SystemResolver
from api_gateway.webhooks.outcomes import Answer, error_of, read_retry_after

BODY_BYTES = 4096
BODY_SECONDS = 1.0
KEPT_CONNECTIONS = 50
KEPT_SECONDS = 5.0
HEADERS = {"content-type": "application/json", "accept": "*/*", "user-agent": f"Parkstream/{VERSION} (webhooks)"}

_WORDS: dict[type[Exception], str] = {
    AddressRefusedError: "the host has no public address",
    httpcore.ConnectTimeout: "no connection in time",
    httpcore.TimeoutException: "no answer in time",
    httpcore.ConnectError: "no connection",
    httpcore.NetworkError: "the connection broke",
    httpcore.ProtocolError: "the answer is no HTTP",
}
FAILURES: tuple[type[Exception], ...] = (*_WORDS, httpcore.UnsupportedProtocol, OSError)


class Receivers:
    """Posts to any receiver; its connections are kept for a few seconds."""

    def __init__(self, settings: WebhookSettings, resolve: Resolve | None = None) -> None:
        self._seconds = settings.webhook_attempt_seconds
        self._connections = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=settings.webhook_in_flight_count + KEPT_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=GuardedNetwork(address_rule(settings), resolve or SystemResolver()),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one attempt. Never raises for what a receiver does."""
        started_at, began = datetime.now(UTC), time.monotonic()
        status, error, retry_after = None, None, 0.0
        told: list[tuple[bytes | str, bytes | str]] = [*HEADERS.items(), *headers.items()]
        try:
            async with (
                asyncio.timeout(self._seconds) as limit,
                self._connections.stream("POST", url, headers=told, content=body) as response,
            ):
                # From here on the status counts, however the rest of the answer ends.
                status, retry_after = response.status, _retry_after_of(response)
                limit.reschedule(asyncio.get_running_loop().time() + BODY_SECONDS)
                await _read_some(response)
        except TimeoutError:
            error = f"no answer within {self._seconds:g} s"
        except FAILURES as failure:
            error = _words_of(failure)
        if status is not None:
            error = error_of(status)
        return Answer(started_at, time.monotonic() - began, status, error, retry_after)

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.aclose()


def _retry_after_of(response: httpcore.Response) -> float:
    said = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    return read_retry_after(said.decode("latin-1"), datetime.now(UTC))


async def _read_some(response: httpcore.Response) -> None:
    left = BODY_BYTES
    async for chunk in response.aiter_stream():
        left -= len(chunk)
        if left <= 0:
            return


def _words_of(failure: Exception) -> str:
    words = next((words for kind, words in _WORDS.items() if isinstance(failure, kind)), "no connection")
    detail = "" if isinstance(failure, AddressRefusedError) else "".join(filter(str.isprintable, str(failure)))[:200]
    return f"{words}: {detail}" if detail else words


def address_rule(settings: WebhookSettings) -> AddressRule:
    """What the settings allow."""
    return AddressRule([read_network(str(network)) for network in settings.webhook_allowed_networks])
