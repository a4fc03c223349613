"""The five services: each says for itself whether it is ready."""

from collections.abc import AsyncIterator, Mapping

import httpx

from parkstream.checks import Finding

START = "Start it: parkstream up; its log is in the data directory's logs"


async def check_services(health_ports: Mapping[str, int]) -> AsyncIterator[Finding]:
    """A finding per service, by the port of its /ready."""
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        for name, port in health_ports.items():
            answer = await ask_ready(client, port)
            yield Finding(name, answer or f"ready on port {port}", START if answer else "")


async def ask_ready(client: httpx.AsyncClient, port: int) -> str:
    """An empty string when the service on `port` is ready, else what it says or why it does not answer."""
    try:
        answer = await client.get(f"http://127.0.0.1:{port}/ready")
    except httpx.TransportError as error:
        return f"no answer on port {port} ({type(error).__name__})"
    return "" if answer.status_code == httpx.codes.OK else answer.text
