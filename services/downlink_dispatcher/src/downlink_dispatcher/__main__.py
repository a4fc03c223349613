"""`python -m downlink_dispatcher`: connected, observed and stoppable; its queue and ChirpStack client stand on this.

It sends nothing yet. `/ready` says whether its database schema and NATS can be reached.
"""

from __future__ import annotations

from downlink_dispatcher.metrics import NATS_CONNECTED
from downlink_dispatcher.settings import Settings
from parking_chassis.bare_service import run_bare_service

SERVICE = "downlink_dispatcher"


def main() -> None:
    """Run the service."""
    run_bare_service(SERVICE, Settings(), NATS_CONNECTED)


if __name__ == "__main__":
    main()
