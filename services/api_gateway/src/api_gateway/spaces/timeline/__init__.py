"""Everything that happened to one space, as one explanation."""
