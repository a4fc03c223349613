"""The network server: how downlinks are handed to it, and what it is asked."""
