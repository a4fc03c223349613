"""Who changed what, and who logged in: append only."""
