"""What LoRaWAN itself fixes, whoever speaks: the ports of applications and the longest application payload.

Read by codecs, by the dispatcher, by the gateway's requests and by the commands between them.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

LOWEST_APPLICATION_PORT: Final = 1
HIGHEST_APPLICATION_PORT: Final = 223
"""fPort 0 carries MAC commands, 224 tests, and 225 to 255 are kept for the standard."""

LONGEST_PAYLOAD_BYTES: Final = 242
"""No data rate of any region carries a longer application payload."""

ApplicationPort = Annotated[int, Meta(ge=LOWEST_APPLICATION_PORT, le=HIGHEST_APPLICATION_PORT)]


def is_application_port(f_port: int) -> bool:
    """Whether an application may send to, or hear from, this port."""
    return LOWEST_APPLICATION_PORT <= f_port <= HIGHEST_APPLICATION_PORT
