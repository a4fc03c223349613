"""What the engine tells of displays: each was heard, through which LoRaWAN gateway, and what the frame was.

A late frame tells of a time that is over, and one heard before was told already: neither is told.
"""

from __future__ import annotations

import msgspec

from occupancy_engine.frames import Placed
from parking_chassis.outbox import Event
from parking_contracts import subjects
from parking_contracts.display import EVENT_TYPES, DisplayReported
from parking_contracts.uplink import Reception, UplinkReceived

_UNHEARD_DB = -1e9

encode = msgspec.json.Encoder().encode


def display_reported(frame: Placed, codec: str) -> Event:
    """A display's frame, for the outbox. A MAC-only one too: it tells which gateway hears the display best."""
    uplink = frame.uplink
    best = best_reception(uplink)
    report = DisplayReported(
        tenant_id=frame.device.tenant_id,
        dev_eui=uplink.dev_eui,
        codec=codec,
        gateway_id=best.gateway_id if best is not None else None,
        session_at=frame.session_at,
        f_cnt=uplink.f_cnt,
        f_port=uplink.f_port,
        data=uplink.data,
        received_at=uplink.received_at,
    )
    return Event(
        subject=subjects.device("reported", uplink.dev_eui), type=EVENT_TYPES[DisplayReported], payload=encode(report)
    )


def best_reception(uplink: UplinkReceived) -> Reception | None:
    """The reception of the LoRaWAN gateway that heard a frame best, by its signal-to-noise ratio."""
    return max(uplink.receptions, key=lambda one: one.snr if one.snr is not None else _UNHEARD_DB, default=None)
