"""What a firmware is made of, so that nothing else runs in its place.

A generated directory lists its files (generated.json); a built firmware has beside it what went into it (stamp.json)
and inside it a hash of itself, which the device's hello carries.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from hil.elf_file import elf_file
from hil.errors import HilError
from hil.firmware.elf import symbols
from hil.firmware.programs import flags
from hil.firmware.toolchain import compiler_of
from hil.link.messages import ELF_HASH_BYTES, INFO_BYTES

LIST, STAMP = "generated.json", "stamp.json"
NOT_LISTED = (LIST, "out")
HOSTS_OWN = ("model/plan.json", "model/graph.npz")  # files of a generated directory that no compiler reads


@dataclass(frozen=True)
class Stamp:
    """Everything that decides a firmware's bytes. sources: a hash by path; compiler: its name and version."""

    sources: dict[str, str]
    preset: str
    kernels: str
    compiler: str
    flags: dict[str, str]

    @property
    def digest(self) -> str:
        """A hash of it all."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def file_hashes(directory: Path) -> dict[str, str]:
    """A hash for each file of a generated directory, what was built in it left out."""
    files = (path for path in directory.rglob("*") if path.is_file())
    named = {path.relative_to(directory).as_posix(): path for path in files}
    listed = {name: path for name, path in named.items() if name.split("/")[0] not in NOT_LISTED}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(listed.items())}


def write_list(directory: Path) -> None:
    """Write down what a directory holds, fresh from the compiler."""
    (directory / LIST).write_text(json.dumps(file_hashes(directory), indent=1) + "\n")


def read_list(directory: Path) -> dict[str, str] | None:
    """What a directory held when it was made; None where it does not say."""
    found = _read(directory / LIST)
    return None if found is None else {str(name): str(value) for name, value in found.items()}


def changed_by_hand(directory: Path, fresh: Path) -> list[str]:
    """The files that are not as they were made: changed, added or removed; fresh: as it would be made now.

    A directory that has lost its list is held against the fresh one.
    """
    listed = read_list(directory)
    made = file_hashes(fresh) if listed is None else listed
    return sorted({name for name, _ in file_hashes(directory).items() ^ made.items()})


def stamp_of(directory: Path, preset: str, kernels: str, compiler: str) -> Stamp:
    """The stamp that a firmware built now from this directory would get. compiler: its name and version."""
    return Stamp(file_hashes(directory), preset, kernels, compiler, flags())


def write_stamp(output: Path, elf: Path, stamp: Stamp) -> None:
    """Put the ELF's hash into the ELF, and the stamp beside it."""
    found = write_hash(elf)
    content = asdict(stamp) | {"elf_hash": found, "stack_usage": _usage(output)}
    (output / STAMP).write_text(json.dumps(content, indent=1) + "\n")


def is_built(output: Path, elf: Path, stamp: Stamp) -> bool:
    """Whether a folder holds the firmware of just this stamp, and nothing in it has changed since."""
    said = _read(output / STAMP)
    if said is None or not elf.is_file() or str(compiler_of(elf)) != stamp.compiler:
        return False
    known = {"elf_hash": said.pop("elf_hash", None), "stack_usage": said.pop("stack_usage", None)}
    try:
        return said == asdict(stamp) and known == {"elf_hash": written_hash(elf), "stack_usage": _usage(output)}
    except HilError:
        return False  # damaged: it is made again


def written_hash(elf: Path) -> str:
    """The hash that an ELF carries. Raises HilError where it carries none, or is no longer what it was made of."""
    with elf_file(elf) as file:
        place = _place(file)
        found, expected = _text_at(elf, place), _hash(file, place)
    if not found:
        raise HilError(
            f"{elf} carries no hash of itself, by which a device's firmware is known: make it with hil build"
        )
    if found != expected:
        raise HilError(f"{elf} was changed after it was linked: it carries hash {found}, its content has {expected}")
    return found


def write_hash(elf: Path) -> str:
    """Write an ELF's hash into its place in INFO (link.h), and return it."""
    with elf_file(elf) as file:
        place = _place(file)
        found = _hash(file, place)
    if place is None:
        raise HilError(f"{elf} has no place for its hash: app/image.c's `info` is not as this hil knows it")
    with elf.open("r+b") as stream:
        stream.seek(place)
        stream.write(found.encode())
    return found


def _place(elf: ELFFile) -> int | None:
    """Where in the file INFO's elf_hash lies."""
    for symbol in symbols(elf):
        section = elf.get_section(symbol["st_shndx"]) if isinstance(symbol["st_shndx"], int) else None
        if symbol.name == "info" and symbol["st_size"] == INFO_BYTES and section is not None:
            return int(section["sh_offset"] + symbol["st_value"] - section["sh_addr"] + INFO_BYTES - ELF_HASH_BYTES)
    return None


def _text_at(elf: Path, place: int | None) -> str:
    if place is None:
        return ""
    with elf.open("rb") as stream:
        stream.seek(place)
        return stream.read(ELF_HASH_BYTES).rstrip(b"\0").decode("ascii", "replace")


def _hash(elf: ELFFile, place: int | None) -> str:
    """Of all that is loaded, where it is loaded, the hash itself taken for zeros."""
    digest = hashlib.sha256()
    for segment in elf.iter_segments("PT_LOAD"):
        data, start = bytearray(segment.data()), segment["p_offset"]
        if place is not None and start <= place < start + len(data):
            data[place - start : place - start + ELF_HASH_BYTES] = bytes(ELF_HASH_BYTES)
        digest.update(f"{segment['p_vaddr']} {segment['p_paddr']} {segment['p_memsz']} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()[:ELF_HASH_BYTES]


def _usage(output: Path) -> str:
    """A hash of the stack usage files, which the static bound is read from."""
    digest = hashlib.sha256()
    for path in sorted((output / "stack_usage").glob("*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
