"""Every command this service answers, and what does it. The table is the whole list."""

from __future__ import annotations

from faststream.nats import NatsBroker

from parking_chassis.command_desk import Act, CommandDesk, serve_commands
from parking_chassis.postgres import Pool
from parking_contracts import reservation_commands
from parking_contracts.command import CommandBody
from reservation_service import SCHEMA, SERVICE, metrics
from reservation_service.clock import Clock
from reservation_service.commands import people
from reservation_service.commands.booking import BookingCommands
from reservation_service.commands.changing import ChangingCommands
from reservation_service.domain.reservation import Rules
from reservation_service.settings import Settings


def command_table(rules: Rules, clock: Clock) -> dict[type[CommandBody], Act]:
    """The list."""
    booking, changing = BookingCommands(rules), ChangingCommands(rules)
    return {
        reservation_commands.CreateReservation: booking.create,
        reservation_commands.BookAnySpace: booking.book_any,
        reservation_commands.CheckAvailability: booking.check_availability,
        reservation_commands.UpdateReservation: changing.update,
        reservation_commands.CancelReservation: changing.cancel,
        reservation_commands.CheckIn: changing.check_in,
        reservation_commands.RunClock: clock.run_for,
        reservation_commands.ExportPerson: people.export,
        reservation_commands.ErasePerson: people.erase,
    }


async def open_desk(settings: Settings, pool: Pool, rules: Rules, clock: Clock) -> NatsBroker:
    """Subscribe them all, on a connection of their own."""
    desk = CommandDesk(pool, service=SERVICE, schema=SCHEMA, answered=metrics.COMMANDS)
    return await serve_commands(settings, desk, command_table(rules, clock))
