"""How often somebody may fail to log in, counted for all replicas together."""
