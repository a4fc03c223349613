"""What a backup says about itself: `manifest.json`, written last, so that a folder with one is whole.

In: a folder. Out: `Manifest`, or an `OperatorError` that says why the folder is no backup that can be used.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from parkstream.errors import OperatorError

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
PARTIAL = ".partial"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file: rows or messages in it, its size as stored, and the digest of what is stored."""

    file: str
    count: int
    bytes: int
    sha256: str


class AppliedMigration(msgspec.Struct, frozen=True):
    """A migration of the database that was saved."""

    name: str
    sha256: str


class Partition(msgspec.Struct, frozen=True):
    """A partition beside the default one: `FOR VALUES FROM (...) TO (...)`, times in UTC."""

    name: str
    bounds: str


class SavedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table's rows, as PostgreSQL's COPY writes them. In the manifest, a table follows those it refers to."""

    name: str
    columns: list[str]
    part: Part
    partitions: list[Partition] = []


class SavedSequence(msgspec.Struct, frozen=True):
    """Where a sequence of numbers goes on."""

    name: str
    last_value: int
    is_called: bool


class SavedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's messages from `first` to `last`, and up to where each durable consumer had acknowledged all.

    `newest`: when the stream took the last of them in, in seconds since 1970.
    """

    name: str
    first: int
    last: int
    newest: float
    floors: dict[str, int]
    part: Part


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole backup. `published`: ids of events that are in a stream already and still stand in an outbox."""

    format: int = FORMAT
    parkstream: str
    begun_at: datetime
    snapshot_at: datetime
    finished_at: datetime
    postgresql: int
    nats: str
    migrations: list[AppliedMigration]
    tables: list[SavedTable]
    sequences: list[SavedSequence]
    streams: list[SavedStream]
    published: list[str]

    def parts(self) -> list[Part]:
        """Every file."""
        return [table.part for table in self.tables] + [stream.part for stream in self.streams]

    def stream(self, name: str) -> SavedStream:
        """One stream's part. Raises LookupError: the backup has none of this name."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise LookupError(name)


def encode(manifest: Manifest) -> bytes:
    """As people can read it too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def sums(manifest: Manifest, encoded: bytes) -> str:
    """Digests in the form of `sha256sum -c`."""
    lines = [f"{hashlib.sha256(encoded).hexdigest()}  {MANIFEST}"]
    lines += [f"{part.sha256}  {part.file}" for part in manifest.parts()]
    return "\n".join(lines) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a whole backup; `OperatorError` for anything else."""
    if not folder.is_dir():
        raise OperatorError(f"{folder} is no folder.", "Name the folder that `parkstream backup` made.")
    try:
        encoded = (folder / MANIFEST).read_bytes()
        listed = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise _not_whole(folder) from error
    except PermissionError as error:
        raise OperatorError(
            f"{error.filename} cannot be read.", "Backups are their maker's: be that account."
        ) from error
    if f"{hashlib.sha256(encoded).hexdigest()}  {MANIFEST}" not in listed:
        raise OperatorError(f"{folder / MANIFEST} was changed or damaged: it is not what {SUMS} says.", ANOTHER)
    try:
        if (found := msgspec.json.decode(encoded, type=_AnyFormat).format) != FORMAT:
            raise OperatorError(
                f"{folder} is a backup of format {found}, and this version reads format {FORMAT}.",
                "Restore it with the version of Parkstream that made it.",
            )
        return msgspec.json.decode(encoded, type=Manifest)
    except msgspec.MsgspecError as error:
        raise OperatorError(f"{folder / MANIFEST} is no manifest: {error}.", ANOTHER) from error


ANOTHER = "Use another backup, or another copy of this one."


class _AnyFormat(msgspec.Struct, frozen=True):
    format: int


def _not_whole(folder: Path) -> OperatorError:
    if folder.name.endswith(PARTIAL):
        return OperatorError(f"{folder} is what a backup left that was ended half-way.", "Delete it; use a whole one.")
    if inside := sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")):
        newest = inside[-1]
        return OperatorError(f"{folder} holds backups and is none.", f"Name one, such as the newest: {folder / newest}")
    return OperatorError(f"{folder} is no backup, or not all of it: {MANIFEST} or {SUMS} is missing.", ANOTHER)
