"""Reservations that cannot double-book: answers their commands, runs their clock, follows the spaces they hold.

In: commands over NATS, and SPACES. Out: RESERVATIONS through the outbox. It writes the schema `reservation` alone; what
it knows of a space it reads in the directory that the engine grants.
"""

SERVICE = "reservation_service"
SCHEMA = "reservation"
