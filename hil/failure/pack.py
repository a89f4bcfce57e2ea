"""Packing a bundle from a bench on which something has just failed, while its target still stands there."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil import zoo
from hil.bench.replay import header
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure.bundle import SUFFIX, Failure, write_bundle
from hil.failure.core_file import core_file
from hil.failure.post_mortem import PostMortem, post_mortem, redrive
from hil.failure.session import Session, as_recording, session_of
from hil.failure.stripped import stripped, without_paths
from hil.link.frames import Decoder, Frame
from hil.link.messages import TILE_HEADER_BYTES, Type
from hil.reference import weights
from hil.reference.photo import to_image
from hil.targets.base import Target, TargetFault
from hil.targets.renode import RenodeTarget
from hil.targets.sim import SimTarget
from hil.targets.symbols import symbols
from hil.timing.compiled.engine import Mode
from hil.version import described

_LIBRARIES = ("unicorn", "numba", "numpy", "torch", "pyelftools")


def pack(folder: Path, name: str, bench: Bench, failure: Failure, run: Run | None = None) -> Path:
    """Write FOLDER/NAME.hil.zip and return its path. run: the judged run that the failure is about, if any.

    Raises HilError where it cannot be written. What cannot be had (a core file of a host build) is not in it.
    """
    path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:120]}{SUFFIX}"
    firmware, target = bench.firmware, _bare(bench.target)
    session = session_of(bench.target)
    about = {
        "target": target.name, "board": firmware.board.name, "model": Path(firmware.model).name,
        "preset": firmware.preset if firmware.is_native else firmware.board.name, "kernels": firmware.kernels,
        "timing": target.capabilities.timing, "sha256": bench.sent.sha256 if bench.sent else None,
        "image": bench.sent.name if bench.sent else None, "build_id": firmware.build_id,
        "firmware": header(firmware, [], target.capabilities, bench.limits), "versions": _versions(),
        "is_whole": session.is_whole if session else False,
    }  # fmt: skip
    about["firmware"] = {**about["firmware"], "model": Path(firmware.model).name}  # type: ignore[dict-item]
    members = dict(_members(bench, session, run)) | dict(_of_board(bench, session, target, failure))
    if firmware.given is None and (code := weights.code_of(zoo.find(firmware.model))):
        about["network"], members["network.py"] = code
    write_bundle(path, failure, about, members)
    return path


def _bare(target: Target) -> Target:
    while (inner := getattr(target, "target", None)) is not None:
        target = inner
    return target


def _versions() -> dict[str, str]:
    found = {
        "hil": described(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _members(bench: Bench, session: Session | None, run: Run | None) -> Iterator[tuple[str, bytes]]:
    firmware = bench.firmware
    yield "firmware.elf", firmware.elf.read_bytes()
    yield "plan.json", _json(firmware.plan)
    yield "limits.json", _json({name: asdict(limit) for name, limit in bench.limits.items()})
    if (firmware.board.folder / "board.toml").is_file():
        yield "board.toml", (firmware.board.folder / "board.toml").read_bytes()
    if firmware.given is None:
        yield "model.safetensors", zoo.find(firmware.model).read_bytes()
    if run is not None:
        yield "run.json", _json(run.to_json())
    if bench.sent is not None:
        yield "image.png", _png(bench.sent.pixels)
    if session is None:
        return
    images = [] if bench.sent is None else [bench.sent]
    about = stripped(header(firmware, images, session.capabilities, bench.limits))
    yield "session.txt.gz", gzip.compress(without_paths(as_recording(session, about)).encode(), mtime=0)
    tile = bench.sent is not None and _tile(session, bench.sent.pixels)
    if isinstance(tile, np.ndarray) and tile.size:
        yield "tile.png", _png(tile)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(stripped(value), indent=1).encode()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    to_image(pixels).save(file, "PNG")
    return file.getvalue()


def _tile(session: Session, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The rows of the image that the last tile on the line had pixels of; None where there was no tile."""
    decoder, latest = Decoder(), None
    for event in session.events:
        if event.kind == ">":
            for frame in decoder.feed(event.data):
                if isinstance(frame, Frame) and frame.type == Type.TILE:
                    latest = frame.payload
    if latest is None:
        return None
    offset, size = int.from_bytes(latest[2:6], "little"), len(latest) - TILE_HEADER_BYTES
    row_bytes = pixels.shape[1] * pixels.shape[2]
    return pixels[offset // row_bytes : -(-(offset + size) // row_bytes)]


def _of_board(bench: Bench, session: Session | None, target: Target, failure: Failure) -> Iterator[tuple[str, bytes]]:
    """Log; of the simulated board registers, memory and the last blocks; of Renode what it kept of a crash."""
    yield "log.txt", without_paths("\n".join(_log(target, failure)) + "\n").encode()
    if isinstance(target, RenodeTarget):
        for name, content in target.left.items():
            is_text = name.endswith((".txt", ".log"))
            yield name, without_paths(content.decode(errors="replace")).encode() if is_text else content
    if not isinstance(target, SimTarget) or target.capabilities.timing not in ("fast", "full"):
        return
    found = _post_mortem(bench, session, target)
    if not found.registers:
        return
    yield "registers.json", _json({"cycle": found.cycle, "fault": found.fault, "registers": found.registers})
    yield "core", core_file(found.registers, found.memories)
    table = symbols(bench.firmware.elf)
    yield "blocks.txt", "".join(f"{address:#010x} {table.describe(address)}\n" for address in found.blocks).encode()


def _post_mortem(bench: Bench, session: Session | None, target: SimTarget) -> PostMortem:
    elf, board = bench.firmware.elf, bench.firmware.board
    try:
        end = target.faults[-1].cycle if target.faults else target.sim.core.now
    except HilError:  # it did not even boot
        return PostMortem()
    mode: Mode = "full" if target.capabilities.timing == "full" else "fast"
    if session is None or not session.is_whole:
        return PostMortem()
    return post_mortem(elf, board, mode, end or 0, redrive(session.events, elf))


def _log(target: Target, failure: Failure) -> Iterator[str]:
    """The failure, and what the target knows of the board."""
    yield f"{failure.kind}: {failure.text}"
    try:
        seen = target.observed()
    except HilError:
        seen = None
    for name, value in vars(seen).items() if seen else ():
        if value is not None:
            yield f"{name}: {value}"
    if isinstance(target, SimTarget):
        try:
            faults: list[TargetFault] = target.faults
        except HilError:
            faults = []
        yield from (f"fault at cycle {fault.cycle}: {fault}" for fault in faults)
