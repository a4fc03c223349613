"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from parking_chassis.settings import DatabaseSettings, ServiceSettings
from reservation_service.domain.reservation import Rules


class Settings(ServiceSettings, DatabaseSettings):
    """Everything the service reads."""

    health_port: int = Field(default=8003, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
    reservation_lead_seconds: float = Field(
        default=900.0, ge=0, le=86_400, description="how long before its start a reservation holds its space"
    )
    no_show_grace_seconds: float = Field(
        default=900.0, ge=0, description="how long a space is held for somebody who does not come"
    )
    overstay_grace_seconds: float = Field(
        default=300.0, ge=0, description="how long after its end a vehicle may still be there"
    )
    booking_horizon_days: int = Field(default=365, ge=1, le=3650, description="how far ahead one may book")
    personal_data_days: int = Field(
        default=90, ge=0, description="e-mail, phone and metadata are kept so long after the end"
    )
    keep_reservation_answers_hours: float = Field(
        default=24.0, gt=0, le=48, description="answers replayed to a repeated idempotency key; they hold personal data"
    )
    reservation_clock_seconds: float = Field(
        default=15.0, gt=0, le=60, description="how often windows open and end, and people are missed"
    )
    reservation_upkeep_seconds: float = Field(
        default=600.0, gt=0, description="how often personal data and answers that are due are taken away"
    )

    def rules(self) -> Rules:
        """What the rules of reservations need of this."""
        return Rules(
            lead=timedelta(seconds=self.reservation_lead_seconds),
            no_show_grace=timedelta(seconds=self.no_show_grace_seconds),
            overstay_grace=timedelta(seconds=self.overstay_grace_seconds),
            horizon=timedelta(days=self.booking_horizon_days),
            keep_personal_data=timedelta(days=self.personal_data_days),
        )
