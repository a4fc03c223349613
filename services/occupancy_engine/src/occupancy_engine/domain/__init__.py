"""The rules of occupancy: pure functions over plain values; no await, no clock, no I/O, no logger."""
