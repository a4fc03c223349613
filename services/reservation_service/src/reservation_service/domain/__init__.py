"""The rules of reservations. Pure: no await, no clock, no I/O."""
