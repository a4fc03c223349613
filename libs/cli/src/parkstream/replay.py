"""`parkstream replay`: recorded stays told by sensors, and compared with what the platform made of them.

In: STAYS.csv and BAYS.csv. Out: bays as spaces with sensors under an application whose clock is "recorded", their
uplinks as ChirpStack publishes them; with --verify the differences, and status 0 only when there are none.

Each replay is a run of its own: a new application, a new site, new DevEUIs. So it can be repeated in the same database
and never mixes with an earlier one. A named run (--run) is the same run again: its frames are duplicates to the
platform, and change nothing.
"""

import asyncio
import secrets
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console

from parking_simulator.csv_rows import CsvError
from parking_simulator.delivery import Tally, deliver
from parking_simulator.occurrences import SECOND_NS
from parking_simulator.pacing import publish_paced
from parking_simulator.publisher import Publisher
from parking_simulator.recording import SETTLING_SECONDS, Plan, tell
from parking_simulator.rendering import Application, Renderer
from parking_simulator.replayed_street import Street, build_street
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.stays import arrived_between, complete_bays, oddities, read_bays, read_stays
from parkstream.errors import OperatorError
from parkstream.platform_access import broker_of, command_client, find_tenant, plain_words
from parkstream.settings import Connections, connections
from parkstream.showing import provision_with_bar, publishing_bar, rate, told
from parkstream.simulate import DEFAULT_SOURCE, read_mix, read_mqtt_version, read_run
from parkstream.verification import Expectation, verify

app = typer.Typer()
console = Console(highlight=False, soft_wrap=True)


@app.command()
def replay(
    stays_csv: Annotated[Path, typer.Argument(metavar="STAYS.csv", help="bay_marker, arrived_at, departed_at, ...")],
    *,
    bays: Annotated[Path, typer.Option(metavar="BAYS.csv", help="bay_marker, area, latitude, longitude.")],
    speed: Annotated[str, typer.Option(help="Times as fast as recorded, or max.")] = "max",
    since: Annotated[datetime | None, typer.Option("--from", help="Stays that began then or later.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Stays that began before.")] = None,
    time_zone: Annotated[str, typer.Option(help="Of the site, and of the times in the files.")] = "Australia/Melbourne",
    mix: Annotated[str, typer.Option(help="Shares of the sensor families.")] = DEFAULT_MIX,
    heartbeat: Annotated[
        int | None, typer.Option(min=10, max=2_592_000, help="Seconds; else the family's own.")
    ] = None,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of uplinks delivered twice.")] = 0.0,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share delivered after later ones.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed deals the same sensors, duplicates and delays.")] = 1,
    check: Annotated[
        bool, typer.Option("--verify", help="Compare the platform's stays with the recorded ones.")
    ] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds without progress before giving up.")] = 90.0,
    protobuf: Annotated[bool, typer.Option("--protobuf", help="ChirpStack's protobuf marshaler.")] = False,
    mqtt_version: Annotated[str, typer.Option(help="3.1.1 or 5.")] = "3.1.1",
    run: Annotated[str | None, typer.Option(help="The run's name; a new one when not given.")] = None,
    source: Annotated[str, typer.Option(envvar="PARKSTREAM_SOURCE", help="The ingestor's source.")] = DEFAULT_SOURCE,
    tenant: Annotated[str | None, typer.Option(help="Id or name; the only one when not given.")] = None,
) -> None:
    """Turn recorded stays into uplinks, and verify what came of them."""
    zone = read_zone(time_zone)
    street = _read_street(
        stays_csv,
        bays,
        zone,
        period=(_local(since, zone), _local(until, zone)),
        run=read_run(run) if run else f"replay-{secrets.token_hex(4)}",
        mix=read_mix(mix),
        source=source,
        seed=seed,
    )
    replayer = Replayer(
        street,
        Plan(span=street.span, seed=seed, heartbeat_seconds=heartbeat),
        speed=read_speed(speed),
        disorder=(duplicates, late),
        publishing=(protobuf, mqtt_version),
    )
    try:
        same = asyncio.run(replayer.run(connections(), tenant, zone, patience if check else None))
    except KeyboardInterrupt:
        console.print(f"stopped: {told(replayer.tally)}")
        raise typer.Exit(130) from None
    if not same:
        raise typer.Exit(1)


def _read_street(
    stays_csv: Path,
    bays_csv: Path,
    zone: ZoneInfo,
    *,
    period: tuple[datetime | None, datetime | None],
    run: str,
    mix: dict[str, float],
    source: str,
    seed: int,
) -> Street:
    """Read both files completely before anything is made; say what is remarkable about them."""
    try:
        stays = arrived_between(read_stays(stays_csv, zone), *period)
        bays, added = complete_bays(read_bays(bays_csv), stays)
    except CsvError as error:
        raise OperatorError(str(error), "Nothing was applied. Mend these rows and try again.") from error
    except OSError as error:
        raise OperatorError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not stays:
        raise OperatorError(f"{stays_csv} has no stay in this period.")
    odd = oddities(stays)
    console.print(
        f"recording: {len(stays):,} stays on {len({stay.bay for stay in stays}):,} of {len(bays):,} bays; "
        f"{odd.touching} touch and {odd.overlapping} overlap another, {odd.repeated} are there twice"
    )
    if added:
        shown = ", ".join(added[:10]) + (", ..." if len(added) > 10 else "")
        console.print(f"{len(added)} bays are not in {bays_csv.name} and get no position: {shown}", markup=False)
    return build_street(
        run, bays, stays, mix=mix, name=f"Replay of {stays_csv.stem}"[:80], time_zone=zone.key, source=source, seed=seed
    )


class Replayer:
    """One replay from the first command to the last comparison."""

    def __init__(
        self,
        street: Street,
        plan: Plan,
        *,
        speed: float | None,
        disorder: tuple[float, float],
        publishing: tuple[bool, str],
    ) -> None:
        self.street = street
        self.tally = Tally()
        self._plan = plan
        self._speed = speed
        self._duplicates, self._late = disorder
        protobuf, mqtt_version = publishing
        self._mqtt_version = read_mqtt_version(mqtt_version)
        self._renderer = Renderer(
            Application(id=street.fleet.binding.application_id, name=f"parkstream-{street.run}"), protobuf=protobuf
        )

    async def run(self, found: Connections, tenant: str | None, zone: tzinfo, patience: float | None) -> bool:
        """Provision, publish and, with `patience`, verify; whether nothing differs (or nobody asked)."""
        console.print(f"run {self.street.run}: site {self.street.site.name!r}, {self.street.site.id}", markup=False)
        tenant_id = await find_tenant(found, tenant)
        async with command_client(found, tenant_id, "replay") as client:
            await provision_with_bar(console, client, self.street.fleet)
        began = time.monotonic()
        with plain_words():
            await self._publish(found)
        published = time.monotonic() - began
        console.print(f"published {told(self.tally)} in {published:,.1f} s", markup=False)
        if patience is None:
            return True
        expectation = Expectation(
            tenant_id=tenant_id,
            street=self.street,
            frames=self.tally.uplinks,
            patience_seconds=patience,
        )
        with plain_words():
            verdict = await verify(found, expectation, console, zone)
        if verdict.readings == verdict.frames:
            sent = self.tally.uplinks + self.tally.duplicates
            seconds = verdict.processed_at - began
            console.print(
                f"sustained {rate(sent, seconds)} uplinks, from the first publish to the last one processed: "
                f"{sent:,} in {seconds:,.1f} s"
            )
        return verdict.same

    async def _publish(self, found: Connections) -> None:
        span = self._plan.span
        delivered = deliver(
            tell(self.street.bays, self._plan),
            duplicates=self._duplicates,
            late=self._late,
            seed=self._plan.seed,
            tally=self.tally,
        )
        publisher = Publisher(broker_of(found), client_id=f"parkstream-{self.street.run}", version=self._mqtt_version)
        with publishing_bar(console, "replaying", span.end - span.start) as progress:
            async with publisher:
                began = time.monotonic()

                def show(reached_ns: int) -> None:
                    reached = reached_ns // SECOND_NS
                    at = datetime.fromtimestamp(reached, UTC)
                    said = f"{at:%Y-%m-%d %H:%M} UTC, {rate(self.tally.messages, time.monotonic() - began)} messages"
                    progress.update(progress.task_ids[0], completed=reached - span.start, said=said)

                await publish_paced(
                    delivered,
                    self._renderer,
                    publisher,
                    speed=self._speed,
                    origin_ns=(span.start - SETTLING_SECONDS) * SECOND_NS,
                    on_progress=show,
                )
                await publisher.drain()


def read_speed(text: str) -> float | None:
    """A factor above 0, or None for `max`."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise OperatorError(f"--speed {text} is not usable.", "Give a factor such as 60, or max.")
    return factor


def read_zone(name: str) -> ZoneInfo:
    """An IANA time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OperatorError(
            f"--time-zone {name} is not known here.",
            "Give an IANA name such as Europe/Berlin; if even that is unknown, install the package tzdata.",
        ) from error


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.replace(tzinfo=zone) if moment is not None and moment.tzinfo is None else moment
