"""The lines of many processes in one terminal: each with its process's name in front, in its own colour.

Every line also goes to `logs/<name>.log` of the data directory, in two files of at most 10 MB per process.
"""

import asyncio
import contextlib
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_BYTES = 10 << 20
LONGEST_LINE_BYTES = 64 << 10
READ_BYTES = 64 << 10
COLOURS = (36, 32, 35, 33, 34, 96, 92, 95)
DIM = 2


class PrefixedLogs:
    """Prints lines for their sources; colours only where the output is a terminal."""

    def __init__(self, directory: Path, width: int) -> None:
        """`width` is that of the longest name, so that the lines stand in columns."""
        self.directory = directory
        self._width = width
        self._coloured = sys.stdout.isatty()
        self._files: dict[str, RotatingFileHandler] = {}

    def line(self, name: str, text: str) -> None:
        """One line of the process `name`."""
        prefix = f"{name:<{self._width}} |"
        if self._coloured:
            colour = COLOURS[list(self._files).index(name) % len(COLOURS)] if name in self._files else DIM
            prefix = f"\033[{colour}m{prefix}\033[0m"
        with contextlib.suppress(OSError):  # the terminal is gone; the platform goes on, and the files have it all
            print(prefix, text, flush=True)  # noqa: T201  this is the command's output

    async def pump(self, name: str, stream: asyncio.StreamReader) -> None:
        """Print and store what `stream` yields, until its end; an endless line is cut."""
        file = self._file(name)
        rest = b""
        while chunk := await stream.read(READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._put(name, file, line)
        if rest:
            self._put(name, file, rest)

    def _put(self, name: str, file: RotatingFileHandler, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.line(name, text)
        file.emit(logging.LogRecord(name, logging.INFO, "", 0, text, None, None))

    def _file(self, name: str) -> RotatingFileHandler:
        if name not in self._files:
            self._files[name] = RotatingFileHandler(
                self.directory / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"
            )
        return self._files[name]

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
