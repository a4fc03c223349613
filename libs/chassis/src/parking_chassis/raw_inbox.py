"""One private NATS inbox whose messages reach a plain function straight from nats-py's parser.

Used by the two modules of the uplink path, where nats-py's header parsing, queue and task per message cost more than
the work itself. It rests on one private part of nats-py (`Client._process_msg`, pinned, contract-tested): the parser
calls it for each message, and ours takes those of this subscription before anything else is spent on them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from nats.errors import Error as NatsError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

OnMessage = Callable[[bytes, bytes, bytes, bytes | None], None]

_inboxes: WeakKeyDictionary[Client, dict[int, OnMessage]] = WeakKeyDictionary()
"""Of each client, by the subscription's id."""


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
    async def open(cls, client: Client, on_message: OnMessage, *, with_tokens: bool = True) -> RawInbox:
        """Subscribe a fresh inbox; `on_message(subject, reply, data, headers)` runs in the parser and never raises.

        A push consumer delivers to the prefix itself, without a token: it sees no interest in a wildcard.
        """
        inbox = cls(client, client.new_inbox())
        subject = inbox.prefix.decode()
        inbox._subscription = await client.subscribe(f"{subject}.*" if with_tokens else subject, cb=_never)
        _inboxes_of(client)[inbox._subscription._id] = on_message  # noqa: SLF001
        return inbox

    def token_of(self, subject: bytes) -> int | None:
        """The number that a request put behind the prefix; None for a message stored under a subject of its own."""
        prefix, _, token = subject.rpartition(b".")
        return int(token) if prefix == self.prefix else None

    async def close(self) -> None:
        """Take no more; when it returns, everything that was on its way has come, unless the server is away."""
        if self._subscription is None:
            return
        with contextlib.suppress(NatsError, TimeoutError):
            await self._subscription.unsubscribe()
            if self._client.is_connected:
                await self._client.flush(timeout=1)
        _inboxes_of(self._client).pop(self._subscription._id, None)  # noqa: SLF001

    async def write(self, commands: bytes) -> None:
        """Hand protocol lines to the connection as one buffer."""
        await self._client._send_command(commands)  # noqa: SLF001
        # A connection that went down in this instant: nats-py does not know yet, and uvloop refuses its transport.
        with contextlib.suppress(RuntimeError, OSError):
            await self._client._flush_pending()  # noqa: SLF001


def _inboxes_of(client: Client) -> dict[int, OnMessage]:
    inboxes = _inboxes.get(client)
    if inboxes is None:
        inboxes = _inboxes[client] = {}
        theirs = client._process_msg  # noqa: SLF001

        async def process(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            if (on_message := inboxes.get(sid)) is not None:
                on_message(subject, reply, data, headers)
            else:
                await theirs(sid, subject, reply, data, headers)  # type: ignore[arg-type]  # None when headerless

        client._process_msg = process  # type: ignore[method-assign]  # noqa: SLF001  see the docstring
    return inboxes


async def _never(_message: object) -> None:
    raise AssertionError("the raw inbox takes its messages before nats-py's own delivery")
