"""A display's frame, read: its place, and what it says of the command that the display should follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from downlink_dispatcher.domain.truth import Heard
from parking_codecs.codec import CodecError
from parking_codecs.display import DisplayCodec, DisplayCommand, DisplayReport
from parking_contracts.display import DisplayReported


def read_report(
    event: DisplayReported, codec: DisplayCodec | None, desired: Mapping[str, Any] | None
) -> tuple[Heard, dict[str, Any] | None]:
    """The frame, and what it says as it is kept; None for one that says nothing: MAC-only, or not to be read."""
    report = _decode(event, codec)
    frame = Heard(
        received_at=event.received_at,
        session_at=event.session_at,
        f_cnt=event.f_cnt,
        shows=_compare(codec, desired, report),
        is_readable=report is not None,
        is_activation=report is not None and report.kind == "activation",
    )
    return frame, _kept(report) if report is not None else None


def _decode(event: DisplayReported, codec: DisplayCodec | None) -> DisplayReport | None:
    if codec is None or event.f_port == 0 or not event.data:
        return None
    try:
        return codec.decode(event.f_port, event.data)
    except CodecError:
        return None  # the engine has set it aside, with the reason


def _compare(
    codec: DisplayCodec | None, desired: Mapping[str, Any] | None, report: DisplayReport | None
) -> bool | None:
    if codec is None or desired is None or report is None:
        return None
    try:
        return codec.shows(msgspec.convert(desired, DisplayCommand), report)
    except (CodecError, msgspec.ValidationError):
        return None  # the wish is of another codec: the sweep wishes anew


def _kept(report: DisplayReport) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(report)
    return {name: value for name, value in kept.items() if value is not None}
