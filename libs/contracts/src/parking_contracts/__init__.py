"""The shared schema library: every subject, stream and message on Parkstream's bus.

msgspec only, no I/O. A published Struct is never edited: a changed meaning is a new version beside the old one,
and consumers ignore fields they do not know. `tests/golden` holds one frozen payload per event version.
"""
