"""A backup read through, without anything to restore it to: every file whole, every row and message counted.

In: a folder. Out: its manifest, or an `OperatorError` that names the first thing that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parkstream.backup.bus_reading import unpack
from parkstream.backup.manifest import ANOTHER, Manifest, read_manifest
from parkstream.backup.parts import check_part, read_part
from parkstream.errors import OperatorError


async def verify(folder: Path, on_bytes: Callable[[int], None]) -> Manifest:
    """Check digests first, then what is inside."""
    manifest = read_manifest(folder)
    for part in manifest.parts():
        check_part(folder, part, on_bytes)
    for table in manifest.tables:
        rows = 0
        async for piece in read_part(folder, table.part):
            rows += piece.count(b"\n")
        _agree(table.name, rows, table.part.count)
    for stream in manifest.streams:
        messages = 0
        async for _ in unpack(read_part(folder, stream.part)):
            messages += 1
        _agree(stream.name, messages, stream.part.count)
    return manifest


def _agree(name: str, found: int, told: int) -> None:
    if found != told:
        raise OperatorError(f"{name} holds {found:,} entries, and the manifest says {told:,}.", ANOTHER)
