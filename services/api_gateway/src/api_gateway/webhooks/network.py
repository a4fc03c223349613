"""How webhooks connect: a host is resolved once, its addresses are judged, and the connection goes to one of those.

Nothing resolves the name a second time, so a name that changes its mind between the check and the connection (DNS
rebinding) gains nothing. TLS still verifies the name, because only the connection below it is replaced. Names are
resolved in threads of our own: the event loop has few, and a name server of a tenant's choice may keep them waiting.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore

from api_gateway.webhooks.addresses import AddressRule, IpAddress, read_address

RESOLVER_THREADS = 32
Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]


class AddressRefusedError(Exception):
    """The host has no address that may be connected to. Which it has instead is not told: the name may be ours."""


class SystemResolver:
    """The operating system's look-up."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-resolver")

    async def __call__(self, host: str, port: int) -> list[IpAddress]:
        """The addresses of a host, best first; OSError when it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return [address for address in map(read_address, dict.fromkeys(found)) if address is not None]

    def close(self) -> None:
        """Wait for nobody: a look-up that hangs ends with the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """What httpcore opens its connections with."""

    def __init__(self, rule: AddressRule, resolve: Resolve) -> None:
        self._rule = rule
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first permitted address of the host that answers.

        Raises:
            AddressRefusedError: None of its addresses is permitted.
            httpcore.ConnectError: It has no address, or none answers.
        """
        literal = read_address(host.strip("[]"))
        try:
            addresses = [literal] if literal is not None else await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} is not known") from error
        permitted = [address for address in addresses if self._rule.permits(address)]
        if not permitted:
            raise AddressRefusedError(host)
        for address in permitted[:-1]:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(str(permitted[-1]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Never asked for, and never given."""
        raise AddressRefusedError("unix socket")

    async def sleep(self, seconds: float) -> None:
        """Between attempts to connect; httpcore is told to make one."""
        await asyncio.sleep(seconds)
