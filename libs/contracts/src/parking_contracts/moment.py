"""A point in time on the bus. One without an offset is refused where it enters: nothing could compare it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
