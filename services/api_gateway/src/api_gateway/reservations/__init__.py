"""Reservations over HTTP: booked by their owner, read in its directory."""
