"""What sending goes by, as the settings say."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from downlink_dispatcher.domain.buckets import Limits
from downlink_dispatcher.domain.retries import Retries


class SendingRules(msgspec.Struct, frozen=True, kw_only=True):
    """`spacing` lies between two states of one display, `lease` is how long a sender's claim holds."""

    limits: Limits
    retries: Retries
    spacing: timedelta
    time_to_live: timedelta
    lease: timedelta
