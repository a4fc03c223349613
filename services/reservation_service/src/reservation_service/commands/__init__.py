"""The commands this service answers: `desk` has the table."""
