"""What was, at a moment of the past."""
