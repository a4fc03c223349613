"""Asking the network server for its devices and gateways: how that went, and now."""
