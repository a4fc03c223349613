"""Where a relay begins to look in its outbox, so that it does not walk over all that it deleted.

What is deleted stays in table and index until a vacuum, once a minute at best and never during a backup: behind 160,000
published events the next one took 5 ms to find. But ids are taken before they are committed, and a lower one may still
appear: an id is a floor only when every transaction has ended that could have taken a lower one. The events about one
thing are written under its lock, by transactions that have a number before they take an id. What was written without
one may slip below the floor: it is found by the next look from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

LOOK_BELOW_SECONDS = 1.0


class Sighting(msgspec.Struct, frozen=True):
    """One look at the outbox, whose finds are published and deleted by now.

    `last_id` is the last of the ids found. All transactions with numbers below `ended_below` had ended when it was
    looked; those that begin after it have numbers from `begin_from` on.
    """

    last_id: int
    is_all: bool
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
        elif seen.ended_below >= waiting.begin_from and (seen.is_all or seen.last_id >= waiting.last_id):
            self._floor, self._next = max(self._floor, waiting.last_id), seen
