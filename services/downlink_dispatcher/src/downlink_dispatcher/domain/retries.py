"""When a downlink that the network server refused is tried again, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Retries(msgspec.Struct, frozen=True):
    """How often, and how long between: the pause doubles from `first` to `longest`."""

    attempts: int
    first: timedelta
    longest: timedelta

    def pause_after(self, failed: int, draw: float) -> timedelta | None:
        """The pause after `failed` attempts, or None: given up.

        `draw` (0 to 1) moves it by up to a quarter either way, so that what failed together is not tried together.
        """
        if failed >= self.attempts:
            return None
        doubled = min(self.longest.total_seconds(), self.first.total_seconds() * 2 ** min(failed - 1, 30))
        return timedelta(seconds=min(self.longest.total_seconds(), doubled * (0.75 + draw / 2)))
