"""Display policies: in which colour a tenant's displays show a state."""
