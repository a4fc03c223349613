"""Alerts: what is wrong with the devices of spaces, and who has taken note."""
