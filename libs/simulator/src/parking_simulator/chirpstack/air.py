"""A simulated display with a radio: joins, hears what the gateways send, answers, and can be tampered with.

In: frames of `downlinks`, and what a test does to the display. Out: `join` and `up` events, and receive windows.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from typing import Any

from parking_simulator.chirpstack import telling
from parking_simulator.chirpstack.displays import SimulatedDisplay
from parking_simulator.chirpstack.downlinks import Downlinks, Emit
from parking_simulator.chirpstack.network import Network, NetworkDevice
from parking_simulator.sensors import Payload

MAC_ONLY = Payload(0, b"")


class DisplayOnAir:
    """One display. `acknowledges` may be turned off: then it hears confirmed downlinks and does not say so."""

    def __init__(
        self, device: NetworkDevice, model: SimulatedDisplay, network: Network, downlinks: Downlinks, emit: Emit
    ) -> None:
        self.device = device
        self.model = model
        self.acknowledges = True
        self._network = network
        self._downlinks = downlinks
        self._emit = emit
        self._sessions = itertools.count(int(time.time()))
        self._dev_addr = ""
        self._f_cnt = 0
        self._to_lose = 0
        self._owes_ack = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def shows(self) -> Any:
        """What is seen on it now."""
        return self.model.shows

    @property
    def heard(self) -> list[Payload]:
        """Every downlink that reached it."""
        return self.model.heard

    def rejoin(self) -> None:
        """Restart: join anew, forget what it forgets, and speak up."""
        digest = hashlib.blake2b(f"{self.device.dev_eui}/{next(self._sessions)}".encode(), digest_size=4).hexdigest()
        self._dev_addr = f"{int(digest, 16) & 0x03FFFFFF:08x}"
        self._f_cnt, self._owes_ack = 0, False
        self._downlinks.joined(self.device)
        self._emit(telling.joined(self._network, self.device, self._dev_addr, time.time_ns()))
        self._send(self.model.boot())

    def power_on(self, after_seconds: float) -> None:
        """Join by itself after a while, and report from then on as often as its model does."""
        self.power_off()
        self._timer = asyncio.get_running_loop().call_later(after_seconds, self._wake)

    def power_off(self) -> None:
        """Do nothing by itself any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        if self._dev_addr:
            self.report()
        else:
            self.rejoin()
        self._timer = asyncio.get_running_loop().call_later(self.model.report_seconds, self._wake)

    def report(self) -> None:
        """Report now, as it does by itself from time to time."""
        self._send(self.model.report())

    def lose_next(self, count: int = 1) -> None:
        """Do not hear the next `count` downlinks: the gateway sends them, and they are lost on air. 0: hear all."""
        self._to_lose = count

    def tamper(self, shown: Any) -> None:
        """Make it show something that nobody ordered."""
        self.model.tamper(shown)

    def receive(self, downlink: Payload, *, confirmed: bool) -> None:
        """A frame arrives."""
        if self._to_lose:
            self._to_lose -= 1
            return
        answers = self.model.hear(downlink)
        self._owes_ack = self._owes_ack or (confirmed and self.acknowledges)
        listens_always = self._network.profile_of(self.device).device_class == "C"
        if not answers and self._owes_ack and listens_always:
            answers = [MAC_ONLY]
        self._send(answers)

    def _send(self, payloads: list[Payload]) -> None:
        for payload in payloads:
            self._uplink(payload)

    def _uplink(self, payload: Payload) -> None:
        """One frame; lost when no gateway in reach is online."""
        f_cnt, self._f_cnt = self._f_cnt, self._f_cnt + 1
        reach = (self._network.gateways.get(one) for one in self.device.gateways)
        gateways = [one for one in reach if one is not None and one.online]
        if not gateways or not self._dev_addr:
            return
        event = telling.uplink(
            self._network,
            self.device,
            gateways,
            payload,
            dev_addr=self._dev_addr,
            f_cnt=f_cnt,
            at_ns=time.time_ns(),
        )
        acknowledges, self._owes_ack = self._owes_ack, False
        self._emit(event)
        self._downlinks.heard(
            self.device,
            [one.id for one in gateways],
            frame=event.deduplication_id,
            acknowledges=acknowledges,
        )
