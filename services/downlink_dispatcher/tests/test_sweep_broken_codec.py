"""A codec that breaks its promise: its own displays are told of, and no other is kept from being swept."""

from datetime import timedelta

import pytest

from downlink_dispatcher import metrics
from downlink_dispatcher.domain.truth import Rules
from downlink_dispatcher.settings import TruthSettings
from downlink_dispatcher.sweeping import Sweep
from downlink_dispatcher.wishing import Wishing
from parking_codecs.display import DisplayCommand, DisplayReport, Downlink
from parking_codecs.registry import load_registry
from stack.display_street import GREEN, Street

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Broken:
    """Raises what no codec may raise."""

    name = "broken_display"
    profile_names = ("Broken display",)
    dev_eui_prefixes = ()

    def encode(self, command: DisplayCommand) -> Downlink:
        raise KeyError(command)

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        raise KeyError(f_port, payload)

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        raise KeyError(command, report)


async def test_displays_beside_one_of_a_broken_codec_are_swept(street: Street) -> None:
    registry = load_registry()
    registry.add(Broken(), "a test")
    before, _ = await street.display()
    broken, _ = await street.display("Broken display")
    after, _ = await street.display()
    settings = TruthSettings(nats_url="nats://nowhere", health_port=1)
    failed = metrics.SWEPT.labels("failed")
    count = failed._value.get()
    await Sweep(street.pool, Wishing(registry), Rules(3, timedelta(seconds=5)), settings).sweep()
    assert [(await street.row(one))["desired_payload"] for one in (before, after)] == [GREEN, GREEN]
    assert not await street.sql.fetch("SELECT FROM downlink.displays WHERE dev_eui = $1", broken)
    assert failed._value.get() == count + 1
