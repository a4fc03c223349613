"""Who speaks in a benchmark: spaces with a sensor each, of all families of the demo city, and their frames.

In: how many. Out: MQTT messages, rendered before the clock starts, so that rendering does not compete with what is
measured. The counters go on from run to run, as those of real devices do.
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from parking_simulator.city import City, build_city
from parking_simulator.fleet_plan import application_id, parse_mix
from parking_simulator.occurrences import SECOND_NS, Occurrence
from parking_simulator.rendering import Application, Message, Renderer
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.voice import Voice

RUN = "bench"
SOURCE = "chirpstack"
FASTEST_PER_SECOND = 50_000  # how closely the frames of a burst follow each other on the air


class TimedMessage(NamedTuple):
    """A message, when it is due (s after the beginning), and the `cause` that its event will name."""

    due_seconds: float
    message: Message
    cause: str


class Street:
    """The spaces, and one voice per sensor."""

    def __init__(self, spaces: int, *, seed: int = 1, displays: dict[str, float] | None = None) -> None:
        self.city: City = build_city(RUN, spaces, parse_mix(DEFAULT_MIX), source=SOURCE, seed=seed, displays=displays)
        self._voices = [Voice(bay.device, bay.model) for bay in self.city.bays]
        self._renderer = Renderer(Application(id=application_id(RUN), name=f"parkstream-{RUN}"))
        self._dice = random.Random(seed)

    def come_up(self) -> list[Message]:
        """Every device joins and says hello, on a free bay."""
        now = time.time_ns()
        occurrences: list[Occurrence] = []
        for voice in self._voices:
            occurrences += (voice.join(now), voice.say(voice.model.start_up, now))
        return [self._renderer.render(occurrence) for occurrence in occurrences]

    def changes(self, count: int, rate: float, begin_ns: int) -> list[TimedMessage]:
        """`count` uplinks, `rate` a second from `begin_ns` on, each of which changes a space's state."""
        return [self._frame(number, number / rate, begin_ns, lambda: True) for number in range(count)]

    def burst(self, count: int, changing: float) -> list[Message]:
        """`count` uplinks of which the share `changing` changes a space's state; the others are heartbeats."""
        begin_ns = time.time_ns()
        return [
            self._frame(number, number / FASTEST_PER_SECOND, begin_ns, lambda: self._dice.random() < changing).message
            for number in range(count)
        ]

    def _frame(self, number: int, due_seconds: float, begin_ns: int, turns: Callable[[], bool]) -> TimedMessage:
        voice = self._voices[number % len(self._voices)]
        at_ns = begin_ns + int(due_seconds * SECOND_NS)
        turning = turns()
        if turning:
            voice.turn(at_ns)
        frame = voice.say(voice.model.change if turning else voice.model.heartbeat, at_ns)
        return TimedMessage(due_seconds, self._renderer.render(frame), f"uplink:{frame.device.dev_eui}:{frame.f_cnt}")
