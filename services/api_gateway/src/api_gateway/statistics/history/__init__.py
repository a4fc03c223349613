"""Figures of the past, from the rollups of local days that the engine keeps."""
