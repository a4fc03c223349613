"""How the API is served: by uvicorn, on connections whose clients must say what they want.

The server bounds how long a connection may idle between two requests, and the gateway how long a request may take once
its head is there; in between, a client that trickles would hold a connection for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api_gateway.settings import Settings
from parking_chassis.health import serve_http
from parking_chassis.tls import server_files

LAST_REQUEST_SECONDS = 0.3


def serve_api(app: Any, settings: Settings) -> AbstractAsyncContextManager[Server]:
    """Serve the application beside the block."""
    return serve_http(
        app,
        settings.http_host,
        settings.http_port,
        http=partial(PromptConnection, head_seconds=settings.http_head_seconds),
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        **server_files("PARKSTREAM_HTTP_TLS", settings.http_tls_certificate, settings.http_tls_key),
    )


class PromptConnection(HttpToolsProtocol):
    """uvicorn's connection, which waits `head_seconds` for a request's head."""

    def __init__(self, *arguments: Any, head_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_seconds = head_seconds
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The first head is awaited from here."""
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        """Another head begins on a connection kept alive."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It is there; the request has its own deadline from now on."""
        self._forget()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone by itself."""
        self._forget()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends. A request may be on its way on a connection that is silent now: it is still answered."""
        self.loop.call_later(LAST_REQUEST_SECONDS, super().shutdown)

    def _expect_head(self) -> None:
        self._forget()
        self._deadline = self.loop.call_later(self._head_seconds, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
