"""From what is known of a display to what its row shall say: the wish, and whether it is a new one.

A wish is new when it has other bytes than the last: what is shown must change. One with the same bytes is only told
apart in words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.domain.policy import Orders, Shade, orders_for_count, orders_for_state
from parking_codecs.codec import CodecError, CodecFaultError
from parking_codecs.display import DisplayCodec


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the directories of spaces and devices, in the policies and counters, about one display.

    The space is the live one whose display it is now; `shade` is its state's, `counter_*` are set if it counts.
    """

    tenant_id: UUID
    dev_eui: str
    codec: str | None = None
    codec_in_use: str | None = None
    profile_name: str | None = None
    is_bound: bool = False
    space_id: UUID | None = None
    state: str | None = None
    space_version: int = 0
    shade: Shade | None = None
    counter_site_id: UUID | None = None
    counter_zone: str | None = None

    @property
    def key(self) -> DisplayKey:
        """What the display's row is found by."""
        return (self.tenant_id, self.dev_eui)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a display's row shall say that it shows. No `payload`: it shows what it shows."""

    tenant_id: UUID
    dev_eui: str
    codec: str
    space_id: UUID | None = None
    space_version: int = 0
    desired: str | None = None
    command: dict[str, Any] | None = None
    f_port: int | None = None
    payload: bytes | None = None
    cause: str = ""


class News(StrEnum):
    """What a wish changes at a display's row."""

    NOTHING = "nothing"
    WORDS = "words"
    BYTES = "bytes"


def wish_of(facts: Facts, codec: DisplayCodec | None, free: int | None, *, request_reports: bool) -> Wish | None:
    """What the display should show; None: it is no display of its tenant that we may send to, or has nothing to show.

    `free` is what a counter counts. A counter shows its count, whatever space it may stand on.
    """
    if codec is None or not facts.is_bound:
        return None
    try:
        if facts.counter_site_id is not None and free is not None:
            return _counting(facts, codec, free)
        if facts.space_id is not None and facts.state is not None and facts.shade is not None:
            orders = orders_for_state(codec, facts.state, facts.shade, report=request_reports)
            return _showing(facts, codec, orders)
    except CodecFaultError:
        raise
    except CodecError:
        # A light cannot count; its owner sees a display that is idle.
        return None
    return None


def _counting(facts: Facts, codec: DisplayCodec, free: int) -> Wish:
    orders = orders_for_count(codec, free)
    return Wish(
        tenant_id=facts.tenant_id,
        dev_eui=facts.dev_eui,
        codec=codec.name,
        desired=str(free),
        command=msgspec.to_builtins(orders.command),
        f_port=orders.f_port,
        payload=orders.payload,
        cause=f"site:{facts.counter_site_id}:{facts.counter_zone or ''}",
    )


def _showing(facts: Facts, codec: DisplayCodec, orders: Orders) -> Wish:
    return Wish(
        tenant_id=facts.tenant_id,
        dev_eui=facts.dev_eui,
        codec=codec.name,
        space_id=facts.space_id,
        space_version=facts.space_version,
        desired=facts.state,
        command=msgspec.to_builtins(orders.command),
        f_port=orders.f_port,
        payload=orders.payload,
        cause=f"space:{facts.space_id}:{facts.space_version}",
    )


def news(display: Display | None, wish: Wish | None) -> News:
    """What a wish changes at a display whose row is held, or that has none yet."""
    if display is None:
        return News.NOTHING if wish is None else News.BYTES
    if wish is None:
        is_at_rest = display.desired is None and display.space_id is None
        return News.NOTHING if is_at_rest else News.WORDS
    if (wish.f_port, wish.payload, wish.codec) != (display.desired_f_port, display.desired_payload, display.codec):
        return News.BYTES
    told = (wish.desired, wish.space_id, wish.command)
    return News.NOTHING if told == (display.desired, display.space_id, display.desired_command) else News.WORDS


def withdrawn(display: Display) -> Wish:
    """No wish any more: the display is on no space, counts nothing, or is not ours to send to."""
    return Wish(tenant_id=display.tenant_id, dev_eui=display.dev_eui, codec=display.codec)
