"""Making the platform know a simulated fleet: its site, its application, its spaces and their sensors.

In: a plan whose ids are fixed beforehand. Out: commands to occupancy_engine over NATS, a bounded number at a time.
What is there already is left as it is, so a second run finds the first one's fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from parking_contracts.command import CommandBody
from parking_contracts.device_commands import BindApplication, Bound
from parking_contracts.errors import ErrorCode
from parking_contracts.space import SpaceView
from parking_contracts.space_commands import CreateSite, CreateSpace, SiteView
from parking_simulator.commands import CommandClient, CommandRefusedError

COMMANDS_IN_FLIGHT: Final = 32


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything to be made, with the ids it shall have."""

    sites: Sequence[CreateSite]
    binding: BindApplication
    spaces: Sequence[CreateSpace]


class Provisioned(msgspec.Struct):
    """How many spaces were made, and how many were there before."""

    created: int = 0
    found: int = 0


async def provision(client: CommandClient, fleet: Fleet, on_space: Callable[[], None] = lambda: None) -> Provisioned:
    """Make the fleet; `on_space` is called after each space.

    Raises:
        CommandRefusedError: The engine refused for another reason than that the thing exists.
        NobodyAnswersError: No engine is there.
    """
    for site in fleet.sites:
        await _unless_there(client, site, SiteView)
    await client.ask(fleet.binding, Bound)
    outcome = Provisioned()
    queue = iter(fleet.spaces)

    async def work() -> None:
        for space in queue:
            if await _unless_there(client, space, SpaceView):
                outcome.created += 1
            else:
                outcome.found += 1
            on_space()

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(COMMANDS_IN_FLIGHT, len(fleet.spaces))):
                workers.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # the workers fail alike: one reason is enough
    return outcome


async def _unless_there(client: CommandClient, body: CommandBody, answer: type[object]) -> bool:
    """Whether it was made; False when it was there."""
    try:
        await client.ask(body, answer)
    except CommandRefusedError as error:
        if error.refusal.code is not ErrorCode.DUPLICATE_RESOURCE:
            raise
        return False
    return True


def sensor_euis(spaces: Iterable[CreateSpace]) -> list[str]:
    """The DevEUIs of the fleet."""
    return [space.sensor_eui for space in spaces if space.sensor_eui is not None]
