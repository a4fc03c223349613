"""What is right, decided without I/O: what to show, what goes next, what became of it, what a report proves."""
