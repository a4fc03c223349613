"""Downlinks: every command that went to a display, or waits to, and what became of it."""
