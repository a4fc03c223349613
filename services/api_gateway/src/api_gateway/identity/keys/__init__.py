"""The API keys of a tenant."""
