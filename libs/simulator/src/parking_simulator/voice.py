"""One device speaking: its session, its frame counter, and what it feels.

In: "say this now". Out: joins and uplinks, fCnt without gaps, starting again with every join.
"""

from __future__ import annotations

import math

from parking_simulator.fleet_plan import dev_addr
from parking_simulator.occurrences import MINUTE_NS, SECOND_NS, Device, Join, Uplink
from parking_simulator.sensors import Say, Sensation, SensorModel


class Voice:
    """A device's counters and senses. It begins on a free bay and says nothing before its first join."""

    def __init__(self, device: Device, model: SensorModel, *, first_session: int = 0) -> None:
        self.device = device
        self.model = model
        self.occupied = False
        self._session = first_session
        self._dev_addr = ""
        self._f_cnt = 0
        self._turned_at_ns: int | None = None
        self._previous_minutes = 0

    def join(self, at_ns: int) -> Join:
        """A new session, under a new devAddr."""
        self._dev_addr = dev_addr(self.device.dev_eui, self._session)
        self._session += 1
        self._f_cnt = 0
        return Join(self.device, at_ns, self._dev_addr)

    def turn(self, at_ns: int) -> None:
        """A car arrives on a free bay, or leaves an occupied one."""
        self.occupied = not self.occupied
        self._previous_minutes = (at_ns - self._turned_at_ns) // MINUTE_NS if self._turned_at_ns is not None else 0
        self._turned_at_ns = at_ns

    def say(self, what: Say, at_ns: int) -> Uplink:
        """The next frame of this session."""
        payload = what(self._sensation(at_ns // SECOND_NS))
        frame = Uplink(self.device, at_ns, self._dev_addr, self._f_cnt, payload.f_port, payload.data)
        self._f_cnt += 1
        return frame

    def _sensation(self, at_seconds: int) -> Sensation:
        warmth = math.sin(2 * math.pi * (at_seconds % 86_400) / 86_400)
        drained = self._f_cnt % 5_000 / 5_000
        return Sensation(
            occupied=self.occupied,
            at_seconds=at_seconds,
            sequence=self._f_cnt,
            celsius=round(18 + 7 * warmth),
            volts=3.5 - 0.3 * drained,
            percent=100 - round(60 * drained),
            previous_minutes=self._previous_minutes,
        )
