"""A display on the bus: that it was heard.

Produced by occupancy_engine through its outbox on the DEVICES stream, for every new uplink of a device that a display's
codec reads; consumed by downlink_dispatcher, which compares it with what the display should show.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from parking_contracts.moment import Moment


class DisplayReported(msgspec.Struct, frozen=True, kw_only=True):
    """A display's uplink. `gateway_id` heard it best: downlinks go out through it.

    `f_port` and `data` are the frame, read by the display codec `codec`; a MAC-only frame (fPort 0, or no data) reports
    nothing but that the display is there. `session_at` and `f_cnt` are its place in the device's life.
    """

    tenant_id: UUID
    dev_eui: str
    codec: str
    gateway_id: str | None
    session_at: Moment
    f_cnt: int
    f_port: int
    data: bytes = b""
    received_at: Moment


EVENT_TYPES: dict[type, str] = {DisplayReported: "parkstream.device.reported.v1"}
