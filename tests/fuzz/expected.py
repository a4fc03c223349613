"""What must become of everything that was sent: worked out from the messages alone, before any service has seen them.

Each hostile message speaks of a device of its own, so that one effect is one row, one orphan or one dead letter.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from parking_chassis.dead_letters import PoisonError
from parking_contracts.uplink import UplinkReceived
from uplink_ingestor.ingest import Arrival, Marshaler, check_size, identified, message_id_of, parse_event
from uplink_ingestor.topics import EventTopic, NotForUsError

LetterKey = tuple[str, str]
"""The address that a dead letter names, and the SHA-256 of its body."""


@dataclass
class Expected:
    """The uplinks, the other events and the dead letters that must be there in the end, each once."""

    uplinks: dict[str, UplinkReceived] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    letters: set[LetterKey] = field(default_factory=set)
    not_for_us: int = 0
    _ids: set[str] = field(default_factory=set)

    def add(self, address: str, topic: Any, arrival: Arrival, marshaler: Marshaler = "auto") -> None:
        """One delivery; `topic` is an EventTopic, or gives one or raises what its reading raises."""
        try:
            check_size(arrival.body)
            told: EventTopic = topic() if callable(topic) else topic
            fact = identified(told.event, parse_event(told, arrival, marshaler), arrival.body)
        except NotForUsError:
            self.not_for_us += 1
            return
        except PoisonError:
            self.letters.add((address, hashlib.sha256(arrival.body).hexdigest()))
            return
        message_id = message_id_of(told.event, fact, arrival)
        if message_id in self._ids:
            return  # the same event again, by what ChirpStack calls it
        self._ids.add(message_id)
        if isinstance(fact, UplinkReceived):
            self.uplinks[fact.dev_eui] = fact
        else:
            self.others[told.event] += 1


def key_of(letter: Any) -> LetterKey:
    """What tells one dead letter from another."""
    return (letter.address, letter.sha256)


def twice(keys: Iterable[LetterKey]) -> list[LetterKey]:
    """Those that are there more than once."""
    return [key for key, count in Counter(keys).items() if count > 1]
