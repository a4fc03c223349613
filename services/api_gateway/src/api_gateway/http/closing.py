"""While the process ends, every answer also says that its connection ends, so that clients go elsewhere by themselves.

A connection that the server closes between two requests may cut off the second one; here it is the answer to the first
that closes it. Owned by the gateway's process; knows nothing of what is asked.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking_chassis.process import is_stopping

CLOSE = (b"connection", b"close")


class ClosingConnections:
    """An application whose answers close their connections from the stop signal on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and is_stopping():
                message["headers"] = [*message.get("headers", ()), CLOSE]
            await send(message)

        await self._app(scope, receive, send_and_close if scope["type"] == "http" else send)
