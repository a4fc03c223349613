"""Figures over spaces."""
