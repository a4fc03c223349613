"""Displays: what each of them should show, and what is known of what it shows."""
