"""What the network server and displays tell of a street's displays, taken as the dispatcher takes it.

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_something(street: Street):
    loop = Loop(street)
    ...
    await loop.tell(loop.txack(display, item))
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from downlink_dispatcher import SERVICE
from downlink_dispatcher.device_events import DeviceEvents
from downlink_dispatcher.domain.truth import Rules
from downlink_dispatcher.settings import TruthSettings
from downlink_dispatcher.sweeping import Sweep
from downlink_dispatcher.wishing import Wishing
from parking_chassis.pull_consumer import Delivery
from parking_codecs.registry import load_registry
from parking_contracts import subjects
from parking_contracts.device import DeviceJoined, DeviceLogged, DownlinkAcknowledged, DownlinkTransmitted
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.display import DisplayReported
from stack.display_street import Street
from stack.signposts import GATEWAY

NAMES = {
    DownlinkTransmitted: "txack",
    DownlinkAcknowledged: "ack",
    DeviceLogged: "log",
    DeviceJoined: "join",
    DisplayReported: "reported",
}
# A Busylight's report: figures, then R B G on off, then its revisions.
FIGURES, REVISIONS = bytes.fromhex("c4ffffff210000000400000003000000"), bytes.fromhex("440f0101")
SECOND = timedelta(seconds=1)


def busylight_report(light: bytes) -> bytes:
    """What a Busylight sends that shows this: R B G on off."""
    return FIGURES + light + REVISIONS


class Loop:
    """The dispatcher's ears, for the displays of one street."""

    def __init__(self, street: Street, *, transmit_seconds: float = 0.001, **rules: Any) -> None:
        given = Rules(**{"attempts": 3, "pause": timedelta(milliseconds=10)} | rules)
        registry = load_registry()
        self.street = street
        self._events = DeviceEvents(street.pool, registry, given)
        settings = TruthSettings(nats_url="nats://nowhere", health_port=1, display_transmit_seconds=transmit_seconds)
        self.sweep = Sweep(street.pool, Wishing(registry), given, settings)
        self.session_at = datetime.now(UTC) - timedelta(hours=1)
        self._f_cnt = 0

    async def tell(self, *events: Any, replicas: int = 1) -> None:
        """Take these as one batch; by several replicas at once, if so many."""
        batch = [
            Delivery(
                payload=msgspec.json.encode(one),
                headers=None,
                ack_subject=f"$JS.ACK.DEVICES.{SERVICE}.1.1.1.1.0".encode(),
                subject=subjects.device(NAMES[type(one)], one.dev_eui).encode(),
            )
            for one in events
        ]
        await asyncio.gather(*(self._events.take(batch) for _ in range(replicas)))

    def _fact(self, dev_eui: str, at: datetime | None) -> dict[str, Any]:
        application = {"source": "chirpstack", "application_id": self.street.signs.application}
        return {**application, "dev_eui": dev_eui, "received_at": at or datetime.now(UTC)}

    def txack(self, dev_eui: str, item: str, at: datetime | None = None) -> DownlinkTransmitted:
        fact = self._fact(dev_eui, at)
        return DownlinkTransmitted(**fact, downlink_id=7, queue_item_id=item, f_cnt_down=3, gateway_id=GATEWAY)

    def ack(self, dev_eui: str, item: str, *, acknowledged: bool = True) -> DownlinkAcknowledged:
        fact = self._fact(dev_eui, None)
        return DownlinkAcknowledged(**fact, queue_item_id=item, acknowledged=acknowledged, f_cnt_down=3)

    def log(self, dev_eui: str, code: str, item: str | None = None, level: str = "ERROR") -> DeviceLogged:
        context = {"queue_item_id": item} if item is not None else {}
        return DeviceLogged(**self._fact(dev_eui, None), level=level, code=code, description="why", context=context)

    def join(self, dev_eui: str, at: datetime | None = None) -> DeviceJoined:
        return DeviceJoined(**self._fact(dev_eui, at), dev_addr="00189440")

    def report(self, dev_eui: str, light: bytes | None, at: datetime | None = None, **changes: Any) -> DisplayReported:
        """A Busylight's next frame; None is a MAC-only one."""
        self._f_cnt += 1
        given = {
            "tenant_id": self.street.signs.tenant_id,
            "dev_eui": dev_eui,
            "codec": "kuando_busylight",
            "gateway_id": GATEWAY,
            "session_at": self.session_at,
            "f_cnt": self._f_cnt,
            "f_port": 0 if light is None else 15,
            "data": b"" if light is None else busylight_report(light),
            "received_at": at or datetime.now(UTC),
        }
        return DisplayReported(**given | changes)

    async def item(self, dev_eui: str) -> str:
        """The queue item of the last command of a display."""
        item: str = (await self.street.commands(dev_eui))[-1]["queue_item_id"]
        return item

    async def steps(self, downlink_id: object) -> list[str]:
        rows = await self.street.sql.fetch(
            "SELECT status FROM downlink.downlink_steps WHERE downlink_id = $1 ORDER BY n", downlink_id
        )
        return [row["status"] for row in rows]

    async def alerts(self, dev_eui: str) -> Sequence[DeviceAlert]:
        """What the engine would be told, in order."""
        rows = await self.street.sql.fetch(
            "SELECT payload FROM downlink.outbox WHERE subject = $1 ORDER BY id", subjects.device("alert", dev_eui)
        )
        return [msgspec.json.decode(row["payload"], type=DeviceAlert) for row in rows]
