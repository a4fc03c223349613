"""What the ingestor's tests share: ChirpStack's events, many of them, and an MQTT publisher like it."""

import itertools
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import pytest

from stack.sample_events import DEVICE_INFO, make_body, topic_of

Body = Callable[..., dict[str, Any]]
_counter = itertools.count(1)


def uplinks(count: int, devices: int = 50) -> list[tuple[str, bytes]]:
    """Distinct uplinks with their topics; the deduplication id is `<n>` padded to a UUID's shape."""
    made = []
    for _ in range(count):
        number = next(_counter)
        dev_eui = f"{0x70B3D57ED0000000 + number % devices:016x}"
        body = make_body(
            deduplicationId=str(uuid.UUID(int=number)),
            fCnt=number,
            deviceInfo={**DEVICE_INFO, "devEui": dev_eui},
        )
        made.append((topic_of("up", dev_eui), json.dumps(body).encode()))
    return made


@asynccontextmanager
async def publisher(url: str) -> AsyncIterator[aiomqtt.Client]:
    """An MQTT client that publishes as ChirpStack's integration does, at QoS 1."""
    parts = urlsplit(url)
    async with aiomqtt.Client(
        parts.hostname or "",
        parts.port or 1883,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        identifier=f"chirpstack-{uuid.uuid4().hex[:8]}",
    ) as client:
        client.pending_calls_threshold = 10_000
        yield client


@pytest.fixture(scope="session")
def body() -> Body:
    """`body(event, **changes)`."""
    return make_body


@pytest.fixture(scope="session")
def events() -> ModuleType:
    """This module: `make_body`, `topic_of`, `uplinks` and `publisher`."""
    return sys.modules[__name__]
