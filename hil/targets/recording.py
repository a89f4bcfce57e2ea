"""Sessions written down, so that a board's traffic can be replayed where there is no board (docs/recording.md).

{"format": "rnnpool-hil recording", "version": 1, "target": "serial", "board": "stm32f407_disco", ...}
0.000000 boot
0.212034 < 0000...      what the host read, in hex
0.212410 > 0001...      what it wrote
0.262733 -              it read for as long as it wanted to and nothing came
3.200118 ! /dev/ttyACM0 is gone
"""

from __future__ import annotations

import errno
import gzip
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

from msgspec import Struct

from hil.errors import HilError
from hil.files import make_folder, reason
from hil.reading import MOST_TEXT, is_finite, json_of, read_bytes, typed
from hil.shown import shown
from hil.targets.base import Target, TargetError
from hil.targets.wrapper import Wrapper

FORMAT, VERSION = "rnnpool-hil recording", 1
Kind = Literal["boot", "reset", "<", ">", "-", "!"]


@dataclass(frozen=True)
class Event:
    """One line of a recording. data: of "<" and ">"; text: of "!"; number: of the line, from 1."""

    seconds: float
    kind: Kind
    data: bytes = b""
    text: str = ""
    number: int = 0


class Recorder(Wrapper):
    """A target around another one that writes down what passes. Stands in for it everywhere.

    header: what else the first line says, as JSON. The clock is the target's where that is virtual, else the wall's.
    A name that ends in .gz is compressed. Raises HilError where the file cannot be written.
    """

    def __init__(self, target: Target, path: Path, header: dict[str, Any] | None = None) -> None:
        super().__init__(target)
        self.path = path
        self._start = time.monotonic()
        self._file = _open_to_write(path)
        about = {"format": FORMAT, "version": VERSION, "target": target.name, "board": target.board.name}
        clock = "virtual" if target.capabilities.virtual_time else "wall"
        self._say(json.dumps(about | {"clock": clock} | (header or {})))

    def boot(self, elf: Path) -> None:
        super().boot(elf)
        self._note("boot")

    def reset(self) -> None:
        super().reset()
        self._note("reset")

    def write(self, data: bytes) -> None:
        self._note(">", data.hex())
        try:
            super().write(data)
        except TargetError as error:
            self._note("!", _line(error))
            raise

    def read(self, timeout_s: float) -> bytes:
        try:
            data = super().read(timeout_s)
        except TargetError as error:
            self._note("!", _line(error))
            raise
        self._note("<" if data else "-", data.hex())
        return data

    def close(self) -> None:
        super().close()
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def _note(self, kind: Kind, rest: str = "") -> None:
        self._say(f"{self._seconds():.6f} {kind} {rest}".rstrip())

    def _say(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> HilError:
        """What a full disk ends as: a recording with lines missing is none, so it goes."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            if self.path.is_file():
                self.path.unlink()
        return HilError(f"cannot write the recording {self.path}: {reason(error)}")

    def _seconds(self) -> float:
        seen = self.target.observed() if self.target.capabilities.virtual_time else None
        if seen is not None and seen.seconds is not None:
            return seen.seconds
        return time.monotonic() - self._start


@dataclass(frozen=True)
class Recording:
    """What a file holds."""

    path: Path
    header: dict[str, Any]
    events: tuple[Event, ...]

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Raises HilError for a file that is no recording, or one of another version; it names the line."""
        try:
            content = read_bytes(path, kind="recording")
            if path.suffix == ".gz":
                content = gzip.GzipFile(fileobj=BytesIO(content)).read(MOST_TEXT + 1)[:MOST_TEXT]
            first, *lines = content.decode("ascii").splitlines()
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise HilError(f"{path} is no recording: expected text, as --record writes it") from error
        header = _header(path, first)
        return cls(path, header, tuple(_events(path, lines)))


def _open_to_write(path: Path) -> IO[str]:
    try:
        make_folder(path.parent)
        if path.is_fifo():
            raise OSError(errno.EINVAL, "it is a pipe: name a file")
        if path.suffix == ".gz":
            return gzip.open(path, "wt", encoding="ascii")
        return path.open("w", encoding="ascii", buffering=1)  # what a run that breaks off has said is there
    except OSError as error:
        raise HilError(f"cannot write the recording {path}: {reason(error)}") from error


def _line(error: Exception) -> str:
    return str(error).replace("\n", " ").encode("ascii", "replace").decode()


class _Header(Struct):
    """What the first line must say, whatever else it says."""

    format: str
    version: int
    target: str = ""
    board: str = ""


def _header(path: Path, line: str) -> dict[str, Any]:
    try:
        header = json_of(line, str(path))
    except HilError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise HilError(f"{path} is no recording: its first line should be JSON with format {FORMAT!r}")
    if header.get("version") != VERSION:
        found = shown(json.dumps(header.get("version")))[:40]
        raise HilError(f"{path} is a recording of version {found}, this hil reads {VERSION}: record it again")
    typed(header, _Header, f"{path}, line 1,")
    return header


def _events(path: Path, lines: list[str]) -> Iterator[Event]:
    for number, line in enumerate(lines, start=2):
        seconds, _, rest = line.partition(" ")
        kind, _, content = rest.partition(" ")
        try:
            if kind not in get_args(Kind):
                raise ValueError(f"no event is called {kind[:20]!r}")
            data = bytes.fromhex(content) if kind in "<>" else b""
            if not is_finite(float(seconds)):
                raise ValueError(f"{seconds} are no seconds")
            yield Event(float(seconds), cast(Kind, kind), data, content if kind == "!" else "", number)
        except ValueError as error:
            raise HilError(f"{path}, line {number}: {shown(error)}; expected seconds, an event and its bytes") from None
