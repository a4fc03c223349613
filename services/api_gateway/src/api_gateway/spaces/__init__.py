"""Parking spaces: what is shown for them, and why."""
