"""Events handed in over HTTP, by ChirpStack's HTTP integration or a signing proxy."""
