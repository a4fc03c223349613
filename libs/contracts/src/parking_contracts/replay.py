"""A dead letter's way back into a stream, which goes through the stream's owner: nobody else may write there.

In: `ReplayLetter`, a NATS request of api_gateway to `subject(owner)`. Out: `errors.Reply`; the owner reads the
letter itself and publishes what is in it, so that nothing can be put into a stream this way that has not been in one.
A letter that came over MQTT or from INGRESS needs no owner: the gateway writes INGRESS.
"""

from __future__ import annotations

import msgspec

from parking_contracts import reservation_commands, space_commands, subjects
from parking_contracts.streams import DEVICES, RESERVATIONS, SPACES, UPLINKS, Stream, stream_of

# The engine is the first to read what devices say; who publishes it could not tell what a service made of it.
OWNED: dict[str, tuple[Stream, ...]] = {
    space_commands.OWNER: (UPLINKS, DEVICES, SPACES),
    reservation_commands.OWNER: (RESERVATIONS,),
}


class ReplayLetter(msgspec.Struct, frozen=True, kw_only=True):
    """`sequence` is the letter's place in the stream of dead letters."""

    sequence: int


def subject(owner: str) -> str:
    """Where an owner is asked."""
    return subjects.command(owner, "dead_letter.replay")


def owner_of(address: str) -> str | None:
    """Who puts a message back under this subject; None when the gateway does so itself.

    Raises:
        LookupError: No stream keeps it.
    """
    stream = stream_of(address)
    return next((owner for owner, streams in OWNED.items() if stream in streams), None)
