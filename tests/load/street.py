"""Who speaks in a benchmark: spaces with a sensor each, of all families of the demo city, and their frames.

In: how many. Out: MQTT messages, rendered before the clock starts, so that rendering does not compete with what is
measured. The counters go on from run to run, as those of real devices do.

With a size, every uplink has exactly as many bytes: one gateway hears it, the names of tenant and application are
short, and the tag `serial` of its device is as long as it takes.
"""

import random
import time
from typing import NamedTuple

import msgspec

from parking_simulator.city import City, build_city
from parking_simulator.fleet_plan import application_id, parse_mix
from parking_simulator.occurrences import SECOND_NS, Occurrence, Uplink
from parking_simulator.rendering import Application, Message, Renderer
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.voice import Voice

RUN = "bench"
SOURCE = "chirpstack"
TAGS = b'"tags":{'
SERIAL = b'"serial":"%b",'


class Frame(NamedTuple):
    """One uplink: who said what, whether it changes the state of its space, and as a message."""

    uplink: Uplink
    is_change: bool
    message: Message

    @property
    def cause(self) -> str:
        """What the event of its change will name."""
        return f"uplink:{self.uplink.device.dev_eui}:{self.uplink.f_cnt}"


class TimedMessage(NamedTuple):
    """A message, when it is due (s after the beginning), and the `cause` of its event, empty if there is none."""

    due_seconds: float
    message: Message
    cause: str


class Street:
    """The spaces, and one voice per sensor."""

    def __init__(
        self, spaces: int, *, seed: int = 1, displays: dict[str, float] | None = None, uplink_bytes: int | None = None
    ) -> None:
        self.city: City = build_city(RUN, spaces, parse_mix(DEFAULT_MIX), source=SOURCE, seed=seed, displays=displays)
        devices = [bay.device for bay in self.city.bays]
        application = Application(id=application_id(RUN), name=f"parkstream-{RUN}")
        if uplink_bytes is not None:
            devices = [msgspec.structs.replace(device, gateways=device.gateways[:1]) for device in devices]
            application = msgspec.structs.replace(application, name=RUN, tenant_name="City")
        self.voices = [Voice(device, bay.model) for device, bay in zip(devices, self.city.bays, strict=True)]
        self.dice = random.Random(seed)
        self._renderer = Renderer(application)
        self._uplink_bytes = uplink_bytes

    def come_up(self) -> list[Message]:
        """Every device joins and says hello, on a free bay."""
        now = time.time_ns()
        occurrences: list[Occurrence] = []
        for voice in self.voices:
            occurrences += (voice.join(now), voice.say(voice.model.start_up, now))
        return [self._renderer.render(occurrence) for occurrence in occurrences]

    def timed(self, count: int, rate: float, begin_ns: int, changing: float = 1.0) -> list[TimedMessage]:
        """`count` uplinks, `rate` a second from `begin_ns` on; the share `changing` changes a space's state."""
        timed = []
        for number in range(count):
            frame = self.frame(number, begin_ns + int(number / rate * SECOND_NS), changing)
            timed.append(TimedMessage(number / rate, frame.message, frame.cause if frame.is_change else ""))
        return timed

    def frame(self, number: int, at_ns: int, changing: float) -> Frame:
        """The next uplink of the `number`-th device, round and round; changes the state with this probability."""
        voice = self.voices[number % len(self.voices)]
        turning = self.dice.random() < changing
        if turning:
            voice.turn(at_ns)
        uplink = voice.say(voice.model.change if turning else voice.model.heartbeat, at_ns)
        message = self._renderer.render(uplink)
        if self._uplink_bytes is not None:
            message = message._replace(payload=padded(message.payload, self._uplink_bytes))
        return Frame(uplink, turning, message)


def padded(payload: bytes, size: int) -> bytes:
    """An uplink of exactly `size` bytes, by a tag of its device. Raises ValueError: it is longer already."""
    missing = size - len(payload) - len(SERIAL % b"")
    if missing < 0:
        raise ValueError(f"an uplink with a serial tag has {len(payload) - missing + size} bytes, more than {size}")
    return payload.replace(TAGS, TAGS + SERIAL % (b"0123456789abcdef" * (missing // 16 + 1))[:missing], 1)
