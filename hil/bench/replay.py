"""Recorded sessions judged again: no board, no compiler, only the recording and its model (docs/recording.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hil import board as boards
from hil.bench.limits import Limit, Limits, limits_of
from hil.bench.run import Subject
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.firmware.elf import Sizes
from hil.firmware.model import operating_point
from hil.firmware.planned import plan_of, planned
from hil.firmware.stack import StackBound
from hil.firmware.toolchain import Compiler
from hil.link.frames import Decoder, Frame
from hil.link.messages import BEGIN, TAP_DIGESTS, TILE, TILE_HEADER_BYTES, Type
from hil.reading import Count, typed
from hil.reference.photo import Photo, from_array
from hil.targets.base import Capabilities, Counter
from hil.targets.recording import Recording
from hil.targets.replay import ReplayTarget

Step = Callable[[str, float], None]


def header(firmware: Firmware, photos: list[Photo], capabilities: Capabilities, limits: Limits) -> dict[str, Any]:
    """What a recording says beside its events, so that it can be judged without the ELF. limits: those of the run."""
    usual = limits_of(firmware)
    return {
        "model": firmware.model,
        "preset": firmware.preset,
        "build_id": firmware.build_id,
        "elf_hash": firmware.elf_hash,
        "kernels": firmware.kernels,
        "ram_budget": firmware.ram_budget,
        "cycles": capabilities.cycles,
        "timing": capabilities.timing,
        "sizes": asdict(firmware.sizes) if firmware.sizes else None,
        "stack_bound": firmware.stack_bound.bytes if firmware.stack_bound else None,
        "compiler": str(firmware.compiler) if firmware.compiler else None,
        "limits": {name: asdict(limit) for name, limit in limits.items() if limit != usual.get(name)},
        "images": [{"path": str(p.path) if p.path else None, "sha256": p.sha256, "fitted": p.fitted} for p in photos],
    }


class _Sizes(Struct):
    flash_bytes: Count
    static_by_memory: dict[str, Count]


class _SaidOfLimit(Struct):
    value: float | None = None
    is_required: bool | None = None
    least: float | None = None


class _SaidOfImage(Struct):
    path: str | None = None
    sha256: str | None = None
    fitted: bool = False


class _Said(Struct):
    """What `header` writes, as it must be read back."""

    model: str
    preset: str
    build_id: str
    elf_hash: str
    board: str
    cycles: Counter
    kernels: str = "fast"
    ram_budget: Count | None = None
    timing: str | None = None
    sizes: _Sizes | None = None
    stack_bound: Count | None = None
    compiler: str | None = None
    limits: dict[str, _SaidOfLimit] = {}
    images: list[_SaidOfImage] = []


@dataclass(frozen=True)
class RecordedFirmware(Firmware):
    """A firmware of which only what the recording says is known; its ELF is not here."""

    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def has_bound(self) -> bool:
        return self.recorded.get("stack_bound") is not None

    @cached_property
    def elf_hash(self) -> str:
        return str(self.recorded["elf_hash"])

    @cached_property
    def sizes(self) -> Sizes | None:
        return Sizes(**self.recorded["sizes"]) if self.recorded.get("sizes") else None

    @property
    def flash_parts(self) -> None:
        return None

    @property
    def heap_bytes(self) -> None:
        return None

    @property
    def stack_room(self) -> int:
        return self.board.stack_bytes

    @cached_property
    def stack_bound(self) -> StackBound | None:
        bound = self.recorded.get("stack_bound")
        return StackBound(bound, (), 0) if bound is not None else None

    @cached_property
    def compiler(self) -> Compiler | None:
        family, _, version = str(self.recorded.get("compiler") or "").partition(" ")
        return Compiler(family, version) if version else None


def replay(
    path: Path,
    model: str | None = None,
    step: Step = lambda what, done: None,
    limits: Limits | None = None,
    override: Path | None = None,
) -> list[Subject]:
    """Judge every image of a recording; model: in the place of the recorded name, the same network under another one.

    limits: all of them, in the place of the board's, with those over them that the run was given, and the file override
    over both. Raises HilError for a file that is no recording of a run, and where the model
    or the link have changed since.
    """
    recording = Recording.load(path)
    step("reading the model", 0)
    firmware = _firmware(recording, model)
    photos = list(_photos(recording, firmware))
    if not photos:
        raise HilError(f"{path} holds no whole image: record a run that gets further")
    if (named := len(recording.header.get("images", []))) > len(photos):
        raise HilError(f"{path} names {named} images and holds {len(photos)}: it was cut, or the run stopped there")
    said = recording.header
    counts = Capabilities(said["cycles"], measures_memory=said.get("sizes") is not None, timing=said.get("timing"))
    target = ReplayTarget(firmware.board, recording, counts)
    subjects = []
    with Bench(firmware, target, _limits(firmware, override) if limits is None else limits) as bench:
        for done, photo in enumerate(photos):
            step(f"replaying {photo.name}", done / len(photos))
            subjects.append(Subject(bench.run(photo), photo.pixels, firmware.plan, firmware.board))
    return subjects


def _limits(firmware: RecordedFirmware, override: Path | None) -> Limits:
    given = {name: Limit(**limit) for name, limit in firmware.recorded.get("limits", {}).items()}
    return limits_of(firmware, override, given)


def _firmware(recording: Recording, model: str | None) -> RecordedFirmware:
    """The model's plan, with the build id of the firmware that was recorded."""
    said = recording.header
    missing = {"model", "preset", "build_id", "elf_hash", "cycles", "board"} - said.keys()
    if missing:
        lacks = ", ".join(sorted(missing))
        raise HilError(f"{recording.path} does not say its {lacks}: record it with hil run --record")
    typed(said, _Said, f"{recording.path}, line 1,")
    board = boards.load(said["board"])
    name = model or said["model"]
    graph, _ = planned(name, board)
    plan = plan_of(name, board, said.get("ram_budget")) | {"build_id": said["build_id"]}
    folder = recording.path.parent
    return RecordedFirmware(
        name, board, said["preset"], folder, recording.path, plan, graph,
        kernels=said.get("kernels", "fast"), operating_point=operating_point(name), recorded=said,
        ram_budget=said.get("ram_budget"),
    )  # fmt: skip


def _photos(recording: Recording, firmware: Firmware) -> Iterator[Photo]:
    """The images that were sent, put together from their tiles; those of taps that followed are left out."""
    shape = [firmware.plan["input"][key] for key in ("height", "width", "channels")]
    names = iter(recording.header.get("images", []))
    for image in _images(recording, int(np.prod(shape))):
        if not image.is_whole:
            continue
        said: dict[str, Any] = next(names, {})
        pixels: NDArray[np.uint8] = np.frombuffer(image.data, np.uint8).reshape(shape)
        photo = from_array(pixels)
        path = Path(said["path"]) if said.get("path") else None
        yield Photo(pixels, path, said.get("sha256", photo.sha256), bool(said.get("fitted")))


@dataclass
class _Image:
    """An image as its tiles came."""

    session: int
    data: bytearray
    known: set[int] = field(default_factory=set)  # offsets of bytes, in tiles as they were cut

    @property
    def is_whole(self) -> bool:
        return len(self.known) == len(self.data)

    def take(self, offset: int, data: bytes) -> None:
        data = data[: max(0, len(self.data) - offset)]
        self.data[offset : offset + len(data)] = data
        self.known.update(range(offset, offset + len(data)))


def _images(recording: Recording, size: int) -> Iterator[_Image]:
    """Each image of that many bytes that was begun with digests wanted, as every judged run is."""
    open_image: _Image | None = None
    for frame in _sent(recording):
        if frame.type == Type.BEGIN:
            session, tap, bytes_sent = BEGIN.unpack(frame.payload)
            if open_image is not None and open_image.session == session:
                continue  # said again
            if open_image is not None:
                yield open_image
            open_image = _Image(session, bytearray(size)) if tap == TAP_DIGESTS and bytes_sent == size else None
        elif frame.type == Type.TILE and open_image is not None:
            session, offset = TILE.unpack(frame.payload)
            if session == open_image.session:
                open_image.take(offset, frame.payload[TILE_HEADER_BYTES:])
    if open_image is not None:
        yield open_image


def _sent(recording: Recording) -> Iterator[Frame]:
    decoder = Decoder()
    for event in recording.events:
        if event.kind == ">":
            yield from (item for item in decoder.feed(event.data) if isinstance(item, Frame))
