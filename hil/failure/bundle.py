"""A bundle: one .hil.zip with everything about a failure, of bounded size, without paths of this computer.

bundle.json   what failed, where, with which versions, and the names of what had to be left out
firmware.elf  plan.json  model.safetensors  board.toml  limits.json
network.py    the code of a network of one's own, whose name bundle.json says
image.png     as sent        tile.png   the part of it that was being sent
run.json      where it was judged           session.txt.gz   the link's recording (docs/recording.md)
log.txt       what the target says          registers.json  core  blocks.txt   of the simulated board
registers.txt  frames.txt  renode.log  snapshot.*   of a board in Renode that has crashed (docs/renode.md)
"""

from __future__ import annotations

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hil.errors import HilError
from hil.failure import layouts
from hil.failure.stripped import stripped
from hil.files import reason, writing
from hil.reading import json_of, typed
from hil.shown import shown
from hil.targets.pyrenode.keep import FILES

FORMAT, VERSION, SUFFIX = "rnnpool-hil bundle", 1, ".hil.zip"
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError,
    zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
MOST_BYTES = 64 << 20  # of everything, unpacked
NAMES = (  # the order of their worth: what comes last is left out first
    "bundle.json", "run.json", "limits.json", "plan.json", "board.toml", "image.png", "tile.png", "firmware.elf",
    "model.safetensors", "network.py", "session.txt.gz", "log.txt", "registers.json", "blocks.txt", "core",
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """What failed. kind: "run" (its verdict), "error" (it ended with one), "test" (a test's own assertion).

    text: in words; test: whose, by pytest's or Robot's name; photo: of a data set, where it is one's.
    """

    kind: Literal["run", "error", "test"]
    text: str
    test: str | None = None


@dataclass(frozen=True)
class Bundle:
    """An opened one. about: bundle.json; members: its other files' bytes by name."""

    path: Path
    about: Mapping[str, Any]
    members: Mapping[str, bytes]

    @property
    def failure(self) -> Failure:
        return Failure(**self.about["failure"])

    def json(self, name: str) -> Any:
        """A member's JSON; None where it is not there. Raises HilError where it is damaged."""
        if name not in self.members:
            return None
        said = f"{self.path} is damaged: its {name}"
        found = json_of(self.members[name], said)
        typed(found, layouts.MEMBERS[name], said)
        return found

    def text(self, name: str) -> str:
        """A member's text; empty where it is not there."""
        return self.members.get(name, b"").decode("utf-8", "replace")


def write_bundle(path: Path, failure: Failure, about: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    """Write one; members beyond the bound are left out and named. The file is there as a whole or not at all."""
    kept: dict[str, bytes] = {}
    left_out, room = [], MOST_BYTES
    for name in (*NAMES[1:], *FILES):
        content = members.get(name)
        if content is None:
            continue
        if len(content) > room:
            left_out.append(name)
            continue
        kept[name] = content
        room -= len(content)
    said = {"format": FORMAT, "version": VERSION, "failure": asdict(failure), **about, "left_out": left_out}
    kept["bundle.json"] = json.dumps(stripped(said), indent=1).encode()
    with writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*NAMES, *FILES):
            if name in kept:
                archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED)


def open_bundle(path: Path) -> Bundle:
    """Read one. Raises HilError for a file that is none, is damaged or too large, or is from a newer hil."""
    if path.exists() and not path.is_file():  # a device's zeros have no end
        raise HilError(f"{path} is no bundle: it is a folder, a device or a pipe")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: _member(archive, info, path) for info in _known(archive, path)}
    except OSError as error:
        raise HilError(f"cannot read the bundle {path}: {reason(error)}") from error
    except _DAMAGED as error:
        raise HilError(f"{path} is no bundle, or damaged ({error}): expected NAME{SUFFIX} that hil made") from error
    about = None
    with suppress(HilError):
        about = json_of(members.pop("bundle.json", b""), "bundle.json")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise HilError(f"{path} is no bundle: it lacks a bundle.json with format {FORMAT!r}")
    _check(about, path)
    return Bundle(path, about, members)


def _check(about: dict[str, Any], path: Path) -> None:
    version = about.get("version")
    if version != VERSION:
        made = about["versions"].get("hil") if isinstance(about.get("versions"), dict) else None
        raise HilError(
            f"{path} is a bundle of version {shown(version)} (by {shown(made or 'another hil')}), this hil reads "
            f"{VERSION}: take that hil"
        )
    typed(about, layouts.About, f"{path} is damaged: its bundle.json")


def _known(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The members that a bundle has; others are not unpacked. Raises HilError where they are too large."""
    known = [info for info in archive.infolist() if info.filename in (*NAMES, *FILES)]
    if sum(info.file_size for info in known) > MOST_BYTES + (1 << 20):
        raise HilError(f"{path} is no bundle of ours: unpacked it is over {MOST_BYTES >> 20} MB")
    return known


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise HilError(f"{path} is damaged: {info.filename} is not as long as it says")
    return content
