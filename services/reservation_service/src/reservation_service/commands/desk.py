"""Every command this service answers, and what does it. The table is the whole list."""

from __future__ import annotations

from faststream.nats import NatsBroker

from parking_chassis.command_desk import Act, CommandDesk
from parking_chassis.postgres import Pool
from parking_contracts import reservation_commands
from parking_contracts.command import CommandBody
from reservation_service import SCHEMA, SERVICE, metrics
from reservation_service.clock import Clock
from reservation_service.commands import people
from reservation_service.commands.booking import BookingCommands
from reservation_service.commands.changing import ChangingCommands
from reservation_service.domain.reservation import Rules


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


def open_desk(broker: NatsBroker, pool: Pool, rules: Rules, clock: Clock) -> None:
    """Subscribe them all."""
    desk = CommandDesk(
        pool,
        schema=SCHEMA,
        request_role=f"{SERVICE}_request",
        on_answer=lambda name, outcome: metrics.COMMANDS.labels(name, outcome).inc(),
    )
    desk.open(broker, command_table(rules, clock))
