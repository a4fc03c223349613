"""What the sensors say: changes, heartbeats, frames that come late, twice or with a wrong clock, and joins.

In: a world, a seed and a rate. Out: MQTT publishes as ChirpStack makes them, and the same in the ledger. Whatever the
broker has not acknowledged is published again, so that in the end the ledger's uplinks are acknowledged, all of them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from contextlib import AsyncExitStack

import msgspec

from chaos.ledger import Ledger, SentUplink
from chaos.towns import Town
from chaos.world import SENSORS, World
from parking_simulator import chirpstack_events as events
from parking_simulator.occurrences import Join, Uplink
from parking_simulator.publisher import BrokerRefusedError, Publisher, parse_broker
from parking_simulator.rendering import Message, Renderer
from parking_simulator.sensors import Payload
from parking_simulator.voice import Voice

MICROSECOND_NS, SECOND_NS = 1_000, 1_000_000_000
WINDOW = 20_000
CONNECT_ATTEMPTS = 5
# Of all frames.
CHANGES, SILENT, JOINS = 0.40, 0.02, 0.004
LATE, REPEATED, RETRANSMITTED, WRONG_CLOCK, UNTIMED = 0.04, 0.04, 0.01, 0.03, 0.2
LATE_SECONDS, REPEAT_SECONDS = (0.2, 8.0), (0.0, 10.0)
# By how much a gateway's clock is wrong, in seconds.
SHIFTS = (-3.2e8, -10_800.0, -20.0, 40.0, 10_800.0, 3.2e8)
# What has no time of the network server's is ordered by our receipt: its device joins once, or it could not be told.
SETTLED_EVERY = 4
MAC_ONLY = Payload(0, b"")


class Worded(msgspec.Struct, frozen=True):
    """A frame in ChirpStack's words, and its line for the ledger."""

    message: Message
    sent: SentUplink
    deduplication_id: str


class Speaker:
    """One sensor: its voice, how often it joined, and whether it stays in its session."""

    def __init__(self, town: Town, place: int, renderer: Renderer) -> None:
        bay = town.city.bays[place]
        self.town = town
        self.voice = Voice(bay.device, bay.model)
        self.renderer = renderer
        self.joins = 0
        self.stays = place % SETTLED_EVERY == 0

    def join(self, at_ns: int) -> Join:
        """A new session."""
        self.joins += 1
        return self.voice.join(at_ns)


class Load:
    """Speaks for every sensor until told to stop."""

    def __init__(self, world: World, rate: float) -> None:
        self._ledger: Ledger = world.ledger
        self._dice = random.Random(f"load/{world.shape.seed}")
        self._period_seconds = 1 / rate
        self.speakers = _speakers(world.towns)
        self._publisher = Publisher(
            parse_broker(world.url_through(SENSORS, world.broker_name, world.broker_url)),
            client_id="chirpstack",
            version=world.mqtt_version,
            window=WINDOW,
        )
        self._owed: list[tuple[float, int, Worded]] = []
        self._numbers = itertools.count()
        self._last_ns = 0
        self._clocks_are_wrong = False
        self._over = asyncio.Event()

    @property
    def unacknowledged(self) -> int:
        """What the broker has not acknowledged."""
        return self._publisher.unacknowledged

    def shift_clocks(self, wrong: bool) -> None:
        """From now on every gateway's clock is wrong, or none more often than usual."""
        self._clocks_are_wrong = wrong

    def stop(self) -> None:
        """Say what is owed, and no more."""
        self._over.set()

    async def rejoin(self) -> None:
        """A power cut in town: every sensor (but those that stay) joins anew and says hello, all at once."""
        for speaker in self.speakers:
            if not speaker.stays:
                await self._come_up(speaker)

    async def run(self) -> None:
        """Speak; returns when stopped and everything is acknowledged."""
        async with await self._connected():
            for speaker in self.speakers:
                await self._come_up(speaker)
            due = time.monotonic()
            while not self._over.is_set():
                await self._say_something(self._dice.choice(self.speakers))
                await self._pay(time.monotonic())
                due += self._period_seconds
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._pay(float("inf"))
            await self._publisher.drain()

    async def _connected(self) -> AsyncExitStack:
        """The publisher's connection; a busy broker may need more than one attempt for the first."""
        exits = AsyncExitStack()
        for attempt in range(CONNECT_ATTEMPTS):
            try:
                await exits.enter_async_context(self._publisher)
            except BrokerRefusedError:
                if attempt == CONNECT_ATTEMPTS - 1:
                    raise
            else:
                break
        return exits

    def _now_ns(self) -> int:
        """Another microsecond each time, so that it names the frame."""
        self._last_ns = max(self._last_ns + MICROSECOND_NS, time.time_ns() // MICROSECOND_NS * MICROSECOND_NS)
        return self._last_ns

    async def _come_up(self, speaker: Speaker) -> None:
        await self._publisher.publish(speaker.renderer.render(speaker.join(self._now_ns())))
        frame = speaker.voice.say(speaker.voice.model.start_up, self._now_ns())
        await self._publish(self._worded(speaker, frame, occupied=speaker.voice.occupied))

    async def _say_something(self, speaker: Speaker) -> None:
        roll = self._dice.random()
        at_ns, voice = self._now_ns(), speaker.voice
        if roll < JOINS and not speaker.stays:
            await self._come_up(speaker)
            return
        if roll < JOINS + SILENT:
            await self._send(speaker, voice.say(lambda _: MAC_ONLY, at_ns), occupied=None)
            return
        if roll < JOINS + SILENT + CHANGES:
            voice.turn(at_ns)
            frame = voice.say(voice.model.change, at_ns)
        else:
            frame = voice.say(voice.model.heartbeat, at_ns)
        await self._send(speaker, frame, occupied=voice.occupied)

    async def _send(self, speaker: Speaker, frame: Uplink, *, occupied: bool | None) -> None:
        """One frame, and what the network makes of it."""
        worded = self._worded(speaker, frame, occupied=occupied)
        disorder = self._dice.random()
        if disorder < LATE and not speaker.stays:
            self._owe(worded, LATE_SECONDS)
            return
        await self._publish(worded)
        if disorder > 1 - REPEATED:
            self._owe(worded, REPEAT_SECONDS)
        elif disorder > 1 - REPEATED - RETRANSMITTED:
            again = msgspec.structs.replace(frame, attempt=1)
            self._owe(self._worded(speaker, again, occupied=occupied), REPEAT_SECONDS)

    def _worded(self, speaker: Speaker, frame: Uplink, *, occupied: bool | None) -> Worded:
        """The event that ChirpStack publishes."""
        event = speaker.renderer.event(frame)
        assert isinstance(event, events.UplinkEvent)
        is_timed = True
        if not frame.attempt and (self._clocks_are_wrong or self._dice.random() < WRONG_CLOCK):
            shift_ns = int(self._dice.choice(SHIFTS) * SECOND_NS)
            is_timed = not (speaker.stays and frame.f_cnt > 2 and self._dice.random() < UNTIMED)
            receptions = event.rx_info if is_timed else ()
            event = msgspec.structs.replace(event, time=events.format_time(frame.at_ns + shift_ns), rx_info=receptions)
        sent = SentUplink(
            tenant=speaker.town.number,
            dev_eui=frame.device.dev_eui,
            session=speaker.joins,
            f_cnt=frame.f_cnt,
            occupied=occupied,
            at_us=frame.at_ns // MICROSECOND_NS,
            timed=is_timed,
        )
        return Worded(Message(events.topic(event), events.encode_json(event)), sent, event.deduplication_id)

    async def _publish(self, worded: Worded) -> None:
        self._ledger.send(worded.sent, worded.deduplication_id)
        await self._publisher.publish(worded.message)

    def _owe(self, worded: Worded, seconds: tuple[float, float]) -> None:
        due = time.monotonic() + self._dice.uniform(*seconds)
        heapq.heappush(self._owed, (due, next(self._numbers), worded))

    async def _pay(self, until: float) -> None:
        while self._owed and self._owed[0][0] <= until:
            await self._publish(heapq.heappop(self._owed)[2])


def _speakers(towns: list[Town]) -> list[Speaker]:
    renderers = [Renderer(town.application) for town in towns]
    return [
        Speaker(town, place, renderer)
        for town, renderer in zip(towns, renderers, strict=True)
        for place in range(len(town.city.bays))
    ]
