"""The files of a backup: written compressed, digested and synced; read back only as they were written.

A writer's file exists from the first byte with mode 0600: hashes and secrets are in it. Compression runs in a thread,
so that connections are served meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from parkstream.backup.manifest import ANOTHER, Part
from parkstream.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 1 << 20
GZIP = 31
QUICK = 2
PRIVATE = 0o600


class PartWriter:
    """One file in the making: `write` what comes, then `finish`."""

    def __init__(self, folder: Path, file: str) -> None:
        path = folder / file
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = file
        self._out = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb")
        self._digest = hashlib.sha256()
        self._zip = zlib.compressobj(QUICK, zlib.DEFLATED, GZIP)
        self._waiting = bytearray()
        self._bytes = 0

    async def write(self, data: bytes) -> None:
        """Add `data`."""
        self._waiting += data
        if len(self._waiting) >= CHUNK_BYTES:
            chunk = bytes(self._waiting)
            self._waiting.clear()
            await asyncio.to_thread(self._store, chunk, last=False)

    async def finish(self, count: int) -> Part:
        """On the disk for good; `count` rows or messages are in it."""
        await asyncio.to_thread(self._store, bytes(self._waiting), last=True)
        return Part(file=self._file, count=count, bytes=self._bytes, sha256=self._digest.hexdigest())

    def abandon(self) -> None:
        """Close what will not be finished."""
        self._out.close()

    def _store(self, chunk: bytes, *, last: bool) -> None:
        data = self._zip.compress(chunk) + (self._zip.flush() if last else b"")
        self._digest.update(data)
        self._bytes += len(data)
        self._out.write(data)
        if last:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()


def check_part(folder: Path, part: Part, on_bytes: Callable[[int], None]) -> None:
    """`OperatorError` unless the file is the one that was written."""
    path = folder / part.file
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stored:
            if (size := os.fstat(stored.fileno()).st_size) != part.bytes:
                raise OperatorError(f"{path} has {size:,} bytes instead of {part.bytes:,}.", ANOTHER)
            while chunk := stored.read(CHUNK_BYTES):
                digest.update(chunk)
                on_bytes(len(chunk))
    except FileNotFoundError as error:
        raise OperatorError(f"{path} is missing.", ANOTHER) from error
    if digest.hexdigest() != part.sha256:
        raise OperatorError(f"{path} is damaged: its SHA-256 is not the manifest's.", ANOTHER)


async def read_part(folder: Path, part: Part) -> AsyncIterator[bytes]:
    """What was written, in pieces."""
    pieces = _pieces(folder / part.file)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _pieces(path: Path) -> Iterator[bytes]:
    unzip = zlib.decompressobj(GZIP)
    try:
        with path.open("rb") as stored:
            while chunk := stored.read(CHUNK_BYTES):
                yield unzip.decompress(chunk)
        yield unzip.flush()
    except zlib.error as error:
        raise OperatorError(f"{path} is damaged: {error}.", ANOTHER) from error


def sync_folder(folder: Path) -> None:
    """Make names in a folder as durable as the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
