"""`python -m reservation_service`: connected, observed and stoppable; its commands and clock stand on this.

It answers nothing yet. `/ready` says whether its database schema and NATS can be reached.
"""

from __future__ import annotations

from parking_chassis.bare_service import run_bare_service
from reservation_service.metrics import NATS_CONNECTED
from reservation_service.settings import Settings

SERVICE = "reservation_service"


def main() -> None:
    """Run the service."""
    run_bare_service(SERVICE, Settings(), NATS_CONNECTED)


if __name__ == "__main__":
    main()
