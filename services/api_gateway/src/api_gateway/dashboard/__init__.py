"""What a console shows first, in one answer."""
