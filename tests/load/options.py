"""Options that more than one benchmark has, and the size of an uplink where none can be asked for."""

from typing import Annotated

import typer

from load.running_platform import Broker

UPLINK_BYTES = 992
"""What ChirpStack's JSON of an uplink has at least."""

Spaces = Annotated[int, typer.Option(min=10, help="Spaces, each with a sensor.")]
Changing = Annotated[float, typer.Option(min=0.01, max=1, help="Share of uplinks that change a state.")]
Burst = Annotated[int, typer.Option(min=100, help="Size of a burst; its duplicates come on top.")]
OneBroker = Annotated[Broker, typer.Option(help="Who stands between ChirpStack and the platform.")]
