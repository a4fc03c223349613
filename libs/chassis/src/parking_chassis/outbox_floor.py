"""Where a relay begins to look in its outbox, so that it does not walk over all that it deleted.

What is deleted stays in table and index until a vacuum, once a minute at best and never during a backup: behind 160,000
published events the next one took 5 ms to find. But ids are taken before they are committed, and a lower one may still
appear: an id is a floor only when every transaction has ended that could have taken a lower one. Who writes events has
the number of a transaction before they take their ids. One long transaction that writes, in any database of the server,
holds the floor where it is. Now and then a look begins at 0 all the same: nothing depends on all this for ever.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

LOOK_BELOW_SECONDS = 1.0


class Sighting(msgspec.Struct, frozen=True):
    """One look at the outbox, whose finds are published and deleted by now.

    `last_id` is the last of the ids found, `is_whole` says that there were no more. All transactions with numbers below
    `ended_below` had ended when it was looked; every number from `begin_from` on was given later.
    """

    last_id: int
    is_whole: bool
    ended_below: int
    begin_from: int


class OutboxFloor:
    """Rises behind what is published. Now and then `begin()` is 0 all the same, so that nothing can be overlooked."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._floor = 0
        self._next: Sighting | None = None
        self._look_below_at = now()

    def begin(self) -> int:
        """Look for events with ids above this."""
        if self._now() < self._look_below_at:
            return self._floor
        self._look_below_at = self._now() + LOOK_BELOW_SECONDS
        return 0

    def gone(self, seen: Sighting) -> None:
        """What was seen is published and deleted."""
        waiting = self._next
        if waiting is None:
            self._next = seen
        elif seen.ended_below >= waiting.begin_from and (seen.is_whole or seen.last_id >= waiting.last_id):
            self._floor, self._next = max(self._floor, waiting.last_id), seen
