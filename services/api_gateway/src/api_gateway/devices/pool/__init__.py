"""The devices as a pool: what is in use, what is left, and taking one off its space."""
