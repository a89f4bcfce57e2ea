"""A simulated board's whole state between two instructions, as a value, and the way back to it.

Unicorn's registers, the RAM, the timing model's pipeline, and the attributes of everything on the board. Attributes
that are plain values are copied; what is no plain value (a bus, a callback) is a part of the board and stays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.targets.sim import SimBoard
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.memory import Region
from hil.timing.compiled import blockhook as hook
from hil.timing.compiled import saved as pipeline
from hil.timing.model import ModelledCycles

_PAGE = 4096
_NOT_STATE = "leave", "on_fault"  # attributes that are who listens


@dataclass(frozen=True)
class Saved:
    """cycle: that it is; instructions: that have been executed, which is the place in the program's run."""

    cycle: int
    instructions: int
    registers: Any
    header: NDArray[np.uint64]
    sdram_is_open: bool
    pages: dict[str, list[NDArray[np.uint8]]]
    model: pipeline.Saved
    parts: list[dict[str, Any]]


def save(board: SimBoard, before: Saved | None = None) -> Saved:
    """The board as it is. before: an earlier state; pages of memory that are as they were then are shared with it."""
    core = board.core
    return Saved(
        core.now,
        core.words[hook.INSTRUCTIONS],
        core.uc.context_save(),
        np.array(core.words[: hook.TABLE], np.uint64),
        core.sdram_is_open,
        {region.name: _pages(region, before) for region in core.memory.rams},
        pipeline.save(_engine(board)),
        [_copied(vars(part)) for part in board.parts],
    )


def restore(board: SimBoard, saved: Saved) -> None:
    """Put the board back to a state of its own."""
    core = board.core
    for part, attributes in zip(board.parts, saved.parts, strict=True):
        kept = {name: vars(part)[name] for name in _NOT_STATE if name in vars(part)}
        vars(part).clear()
        vars(part).update(_copied(attributes) | kept)
    if saved.sdram_is_open != core.sdram_is_open:
        (core.open_sdram if saved.sdram_is_open else core.close_sdram)()
    core.uc.context_restore(saved.registers)
    unicorn_api.forget_translations(core.uc)  # code in RAM may be another
    core.words[: hook.TABLE] = memoryview(saved.header)  # type: ignore[arg-type]
    for region in core.memory.rams:
        for k, page in enumerate(saved.pages[region.name]):
            region.data[k * _PAGE :][: len(page)] = page
    pipeline.restore(_engine(board), saved.model)


def _engine(board: SimBoard) -> Any:
    model = board.core.model
    assert isinstance(model, ModelledCycles), "only the pipeline model's state can be saved"
    return model.engine


def _pages(region: Region, before: Saved | None) -> list[NDArray[np.uint8]]:
    earlier = before.pages[region.name] if before else []
    pages = []
    for k in range(-(-len(region.data) // _PAGE)):
        page = region.data[k * _PAGE :][:_PAGE]
        is_same = k < len(earlier) and np.array_equal(page, earlier[k])
        pages.append(earlier[k] if is_same else page.copy())
    return pages


def _copied(value: Any) -> Any:
    """A plain value with all that it holds; anything else itself."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, list | deque | tuple | set) and not hasattr(value, "_fields"):
        return type(value)(map(_copied, value))
    if isinstance(value, bytearray):
        return bytearray(value)
    if is_dataclass(value) and not isinstance(value, type) and _is_plain(value):
        return type(value)(**{field.name: _copied(getattr(value, field.name)) for field in fields(value)})
    return value


def _is_plain(value: Any) -> bool:
    """Whether a dataclass is a value that its owner changes in place."""
    return not value.__dataclass_params__.frozen and all(field.init for field in fields(value))
