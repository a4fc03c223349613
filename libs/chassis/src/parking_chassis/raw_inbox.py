"""One private NATS inbox whose messages reach a plain function straight from nats-py's parser.

Used by the two modules of the uplink path, where nats-py's header parsing, queue and task per message cost more than
the work itself. It rests on one private part of nats-py (`Client._process_msg`, pinned, contract-tested): the parser
calls it for each message, and ours takes those of this subscription before anything else is spent on them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

OnMessage = Callable[[bytes, bytes, bytes, bytes | None], None]


class RawInbox:
    """Messages to `<prefix>.<token>`, and writing as one buffer.

    A message that JetStream delivers to the inbox carries the subject it was stored under; an answer or a status
    carries the inbox's own, and `token_of` tells which request it belongs to.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._subscription: Subscription | None = None
        self.prefix = prefix.encode()

    @classmethod
    async def open(cls, client: Client, on_message: OnMessage) -> RawInbox:
        """Subscribe a fresh inbox; `on_message(subject, reply, data, headers)` runs in the parser and never raises."""
        inbox = cls(client, client.new_inbox())
        inbox._subscription = await client.subscribe(f"{inbox.prefix.decode()}.*", cb=_never)
        mine = inbox._subscription._id  # noqa: SLF001
        theirs = client._process_msg  # noqa: SLF001

        async def process(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            if sid == mine:
                on_message(subject, reply, data, headers)
            else:
                await theirs(sid, subject, reply, data, headers)  # type: ignore[arg-type]  # None when headerless

        client._process_msg = process  # type: ignore[method-assign]  # noqa: SLF001  see the docstring
        return inbox

    def token_of(self, subject: bytes) -> int | None:
        """The number that a request put behind the prefix; None for a message stored under a subject of its own."""
        prefix, _, token = subject.rpartition(b".")
        return int(token) if prefix == self.prefix else None

    async def close(self) -> None:
        """Take no more; when it returns, everything that was on its way has come, unless the server is away."""
        with contextlib.suppress(NatsError, TimeoutError):
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            await self._client.flush(timeout=1)

    async def write(self, commands: bytes) -> None:
        """Hand protocol lines to the connection as one buffer."""
        await self._client._send_command(commands)  # noqa: SLF001
        await self._client._flush_pending()  # noqa: SLF001


async def _never(_message: object) -> None:
    raise AssertionError("the raw inbox takes its messages before nats-py's own delivery")
