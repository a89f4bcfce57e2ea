"""What a board says of itself, and what it found in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.link.messages import Counter


@dataclass(frozen=True)
class Hello:
    """What is at the other end. clock_hz, baud and chip_id are 0 on the host; max_detections is 0 for a classifier."""

    protocol: int
    board: str
    build_id: str
    model_name: str
    model_hash: str
    elf_hash: str
    width: int
    height: int
    channels: int
    tile_rows: int
    layers: int
    tensors: int
    chip_id: int
    unique_id: str
    clock_hz: int
    baud: int
    arena_bytes: int
    stack_bytes: int
    max_detections: int
    receive_bytes: int
    max_payload: int
    boots: int
    reset_cause: int


@dataclass(frozen=True)
class Result:
    """What the board found in an image, and what it cost. None: the board cannot know.

    detections: x0, y0, x1, y1 in pixels of the image as sent, score, and the class's number where there are several.
    """

    detections: list[tuple[float, ...]]
    layer_cycles: list[int] | None
    decode_cycles: int | None
    schedule_cycles: int | None
    total_cycles: int | None
    counter: Counter
    stack_used: int | None
    heap_used: int | None
    arena_used: int | None
    tap: NDArray[np.uint8] | None  # the tapped tensor, raw memory
    digests: list[int] | None  # CRC-32 of each tensor, the layers' outputs first
    logits: list[int] | None  # of a classifier, with 8 fractional bits
    board_damaged: int  # frames that reached the board damaged, since it started
    board_repeated: int  # frames that it had to ask for again
    board_overruns: int
