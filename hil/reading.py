"""Files from outside, read through a schema: any error in one is a HilError of one line."""

from __future__ import annotations

import errno
import json
import os
import select
import stat
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import IO, Annotated, Any, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from hil.errors import HilError
from hil.files import PIPE_S, reason
from hil.shown import shown

T = TypeVar("T")

_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
MOST_TEXT = 64 << 20  # bytes of a file that is read as a whole; the largest plan takes a hundredth
_MOST_DOTS = 500  # in a line of TOML
LARGEST = 1e18  # no number that is counted or measured here is larger
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, le=int(LARGEST))]


@contextmanager
def opened(path: Path, most: int = MOST_TEXT) -> Iterator[IO[bytes]]:
    """A file to read. What is none, as a pipe, is read to its end first, or until that many bytes have come.

    Raises OSError where it cannot be opened, and where a pipe has not come to its end after PIPE_S.
    """
    with open(path, "rb", opener=_at_once) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode) or not _AT_ONCE:
            yield file
        else:
            yield BytesIO(_said(file.fileno(), most))


def _at_once(path: str, flags: int) -> int:
    """Opened without waiting for somebody at a pipe's other end."""
    return os.open(path, flags | _AT_ONCE)


def _said(pipe: int, most: int) -> bytes:
    said, deadline = bytearray(), monotonic() + PIPE_S
    while len(said) < most:
        if not select.select([pipe], [], [], max(0.0, deadline - monotonic()))[0]:
            raise TimeoutError(errno.ETIMEDOUT, f"it has not come to its end within {PIPE_S:g} s")
        part = os.read(pipe, min(1 << 20, most - len(said)))
        if not part:
            break
        said += part
    return bytes(said)


def read_bytes(path: Path, most: int = MOST_TEXT, kind: str = "") -> bytes:
    """What a file holds. kind: of the file, in words. Raises HilError where it cannot be read, or is too large."""
    try:
        with opened(path, most + 1) as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be
        raise HilError(f"cannot read {f'the {kind} ' if kind else ''}{path}: {reason(error)}") from error
    if len(content) > most:
        raise HilError(f"{path} has more than {most} bytes: this is another kind of file")
    return content


def read_text(path: Path, most: int = MOST_TEXT, kind: str = "") -> str:
    """As read_bytes, for text in UTF-8."""
    try:
        return read_bytes(path, most, kind).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HilError(f"{path} is no text in UTF-8 ({error})") from error


def read_lines(path: Path, longest: int = MOST_TEXT) -> Iterator[str]:
    """A file's lines, without their ends, one after another: the file may be of any size, and need not be UTF-8.

    Raises HilError where it cannot be read, or a line is too long.
    """
    try:
        with opened(path) as file:
            while line := file.readline(longest + 1):
                if len(line) > longest:
                    raise HilError(f"{path} has a line of more than {longest} bytes: this is another kind of file")
                yield line.rstrip(b"\r\n").decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise HilError(f"cannot read {path}: {reason(error)}") from error


def json_of(text: str | bytes, what: str) -> Any:
    """JSON without NaN, infinities and objects that have a key twice. what: names it in the HilError."""
    return _parsed(lambda: json.loads(text, parse_constant=_no_number, object_pairs_hook=_once_each), what, "JSON")


def toml_of(text: str, what: str) -> dict[str, Any]:
    """TOML. what: names it in the HilError."""
    found: dict[str, Any] = _parsed(lambda: tomllib.loads(_with_short_keys(text)), what, "TOML")
    return found


def typed(value: Any, kind: type[T] | Any, what: str) -> T:
    """The value as a type that msgspec knows. Raises HilError, which says where in it is what."""
    try:
        found: T = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise HilError(f"{shown(what)} does not have the expected form: {shown(error)}") from error
    except (OverflowError, RecursionError, ValueError) as error:
        raise HilError(f"{shown(what)} does not have the expected form: {type(error).__name__}") from error
    return found


def json_as(text: str | bytes, kind: type[T] | Any, what: str) -> T:
    """JSON of a type. Raises HilError."""
    return typed(json_of(text, what), kind, what)


def share(value: float, what: str) -> None:
    """Raises HilError for a share that is not from 0 to 1, such as NaN, which nothing is above or below."""
    if not 0 <= value <= 1:
        raise HilError(f"{what} is {value}: expected a number from 0 to 1")


def is_finite(value: float) -> bool:
    """Whether it is a number of a size that something here can have."""
    return abs(value) <= LARGEST  # which NaN is not


def _parsed(parse: Callable[[], Any], what: str, format: str) -> Any:
    try:
        return parse()
    except RecursionError as error:
        raise HilError(f"{shown(what)} is no {format} that can be read: it is nested too deep") from error
    except ValueError as error:  # of every kind: JSONDecodeError, TOMLDecodeError, too many digits, no UTF-8
        raise HilError(f"{shown(what)} is not {format} ({shown(error)})") from error


def _with_short_keys(text: str) -> str:
    """tomllib takes time and memory with the square of a dotted key's names: a megabyte of them is hours."""
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"a line has more than {_MOST_DOTS} dots")
    return text


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two values they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:40]!r} is there twice")
    return found
