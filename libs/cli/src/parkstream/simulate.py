"""`parkstream simulate`: a fictional city's sensors, published as ChirpStack would, at any rate.

In: how many bays, how busy, for how long. Out: a site with spaces and sensors (made once, found again afterwards), and
MQTT messages; at the end what was published and how fast.
"""

import asyncio
import re
import time
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from parking_simulator.city import DEMO_BAYS, DEMO_RUN, DEMO_SEED, City, build_city, demo_city
from parking_simulator.delivery import Tally, deliver
from parking_simulator.fleet_plan import parse_mix, speaker_of
from parking_simulator.occurrences import SECOND_NS
from parking_simulator.pacing import publish_paced
from parking_simulator.publisher import MqttVersion, Publisher
from parking_simulator.rendering import Renderer
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.traffic import Traffic, TrafficPlan
from parkstream.errors import OperatorError
from parkstream.platform_access import broker_of, command_client, find_tenant, plain_words
from parkstream.settings import Connections, connections
from parkstream.showing import provision_with_bar, publishing_bar, rate, told

DEFAULT_SOURCE = "chirpstack"
DEMO_RATE, DEMO_STARTING_SECONDS, DEMO_CHANGING = 4.0, 8.0, 0.5

RUN_NAME = re.compile(r"[A-Za-z0-9._-]{1,60}")

app = typer.Typer()
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    spaces: int
    plan: TrafficPlan
    mix: dict[str, float]
    duplicates: float
    late: float
    protobuf: bool
    mqtt_version: MqttVersion
    run: str
    source: str
    tenant: str | None
    demo: bool


@app.command()
def simulate(
    *,
    spaces: Annotated[int, typer.Option(min=1, max=1_000_000, help="Bays with a sensor.")] = DEMO_BAYS,
    rate_: Annotated[float, typer.Option("--rate", min=0.01, help="Uplinks per second.")] = 20.0,
    duration: Annotated[float, typer.Option(min=0, help="Seconds; 0 is for ever, until Ctrl-C.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same city and the same traffic.")] = DEMO_SEED,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of uplinks delivered twice.")] = 0.0,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share delivered after later ones.")] = 0.0,
    joins: Annotated[float, typer.Option(min=0, max=1, help="Share of heartbeats that are a re-join.")] = 0.0,
    retransmissions: Annotated[float, typer.Option(min=0, max=1, help="Share of frames sent again.")] = 0.0,
    changes: Annotated[float, typer.Option(min=0.001, max=0.99, help="Share of arrivals and departures.")] = 0.1,
    mix: Annotated[str, typer.Option(help="Shares of the sensor families.")] = DEFAULT_MIX,
    demo: Annotated[bool, typer.Option("--demo", help="The demo city: gentle, lively, for ever.")] = False,
    protobuf: Annotated[bool, typer.Option("--protobuf", help="ChirpStack's protobuf marshaler.")] = False,
    mqtt_version: Annotated[str, typer.Option(help="3.1.1 or 5.")] = "3.1.1",
    run: Annotated[str, typer.Option(help="The city's name: the same one finds its spaces again.")] = DEMO_RUN,
    source: Annotated[str, typer.Option(envvar="PARKSTREAM_SOURCE", help="The ingestor's source.")] = DEFAULT_SOURCE,
    tenant: Annotated[str | None, typer.Option(help="Id or name; the only one when not given.")] = None,
) -> None:
    """Publish a fictional city's uplinks, as ChirpStack would."""
    plan = TrafficPlan(
        rate_per_second=DEMO_RATE if demo else rate_,
        seed=seed,
        start_ns=time.time_ns(),
        starting_seconds=DEMO_STARTING_SECONDS if demo else min(spaces / rate_, 3_600.0),
        duration_seconds=None if demo or duration == 0 else duration,
        changing=DEMO_CHANGING if demo else changes,
        rejoining=joins,
        retransmitting=retransmissions,
    )
    wish = Wish(
        spaces=spaces,
        plan=plan,
        mix=read_mix(mix),
        duplicates=duplicates,
        late=late,
        protobuf=protobuf,
        mqtt_version=read_mqtt_version(mqtt_version),
        run=read_run(run),
        source=source,
        tenant=tenant,
        demo=demo,
    )
    tally = Tally()
    began = time.monotonic()
    try:
        asyncio.run(_simulate(connections(), wish, tally))
    except KeyboardInterrupt:
        console.print(f"stopped after {time.monotonic() - began:,.0f} s: {told(tally)}")


def read_run(name: str) -> str:
    """A run's name, which becomes part of a topic and an MQTT client id."""
    if not RUN_NAME.fullmatch(name):
        raise OperatorError(f"--run {name[:80]!r} is not usable.", "Give up to 60 letters, digits, or any of . _ -")
    return name


def read_mix(text: str) -> dict[str, float]:
    """The shares of the sensor families; OperatorError with the families that there are."""
    try:
        return parse_mix(text)
    except ValueError as error:
        raise OperatorError(f"--mix: {error}.") from error


def read_mqtt_version(text: str) -> MqttVersion:
    """3.1.1 or 5."""
    if text == "3.1.1":
        return "3.1.1"
    if text == "5":
        return "5"
    raise OperatorError(f"--mqtt-version {text} is not known.", "There are 3.1.1 and 5.")


async def _simulate(found: Connections, wish: Wish, tally: Tally) -> None:
    tenant_id = await find_tenant(found, wish.tenant)
    city = _city(wish)
    async with command_client(found, tenant_id, "simulate") as client:
        await provision_with_bar(console, client, city.fleet)
    # The clock starts now: making the spaces took its time, and no frame shall be dated before it.
    plan = msgspec.structs.replace(wish.plan, start_ns=time.time_ns())
    with plain_words():
        await _publish(found, city, replace(wish, plan=plan), tally)


def _city(wish: Wish) -> City:
    """The demo city with its displays, which the ChirpStack double plays; another one has sensors alone."""
    seed = wish.plan.seed
    known = (wish.run, wish.spaces, seed, wish.mix) == (DEMO_RUN, DEMO_BAYS, DEMO_SEED, parse_mix(DEFAULT_MIX))
    if wish.demo and known:
        return demo_city(source=wish.source)
    return build_city(wish.run, wish.spaces, wish.mix, source=wish.source, seed=seed)


async def _publish(found: Connections, city: City, wish: Wish, tally: Tally) -> None:
    plan = wish.plan
    renderer = Renderer(speaker_of(wish.run), protobuf=wish.protobuf)
    delivered = deliver(
        Traffic(city, plan).occurrences(), duplicates=wish.duplicates, late=wish.late, seed=plan.seed, tally=tally
    )
    publisher = Publisher(
        broker_of(found), client_id=f"parkstream-simulate-{plan.start_ns:x}", version=wish.mqtt_version
    )
    with publishing_bar(console, "simulating", plan.duration_seconds) as progress:
        async with publisher:
            began = time.monotonic()

            def show(reached_ns: int) -> None:
                seconds = time.monotonic() - began
                said = f"{tally.messages:,} messages, {rate(tally.messages, seconds)}"
                progress.update(progress.task_ids[0], completed=(reached_ns - plan.start_ns) / SECOND_NS, said=said)

            await publish_paced(delivered, renderer, publisher, speed=1.0, origin_ns=plan.start_ns, on_progress=show)
            await publisher.drain()
            seconds = time.monotonic() - began
    console.print(f"published {told(tally)} in {seconds:,.1f} s, every one acknowledged by the broker", markup=False)
    console.print(f"rate: {rate(tally.uplinks + tally.duplicates, seconds)} uplinks", markup=False)
