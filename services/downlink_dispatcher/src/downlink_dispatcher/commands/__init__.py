"""The commands that this service answers."""
