"""Every metric of this service."""

from __future__ import annotations

from prometheus_client import Gauge

NATS_CONNECTED = Gauge("parkstream_reservation_nats_connected", "1 while connected to NATS")
