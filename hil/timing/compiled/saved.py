"""The compiled model's state between two blocks, as a value: what it is put back to when a debugger goes back in time.

What is kept of blocks stays: a kept cost is the exact one, whenever it was worked out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Engine

_WORDS = (
    (at.CYCLES, 1), (at.INSTRUCTIONS, 1), (at.WAIT_STATES, 6), (at.CURRENT_LINE, 4),
    (at.SDRAM_ROWS, 4), (at.LINES, at.PLANS - at.LINES),
)  # fmt: skip
_LEARNT = np.array([at.P_SIGNATURE, at.P_COUNTDOWN, at.P_INTERVAL, at.P_HAS_CHANGED])
_STAMPS = slice(at.LINE_STAMPS, at.LINE_STAMPS + at.FLASH_LINE_COUNT)


@dataclass(frozen=True)
class Saved:
    """words: those of _WORDS; pipeline: the current state's; lines, stamps: of the flash lines in the cache.

    plans, learnt, dynamics: what the fast model has learnt of accesses, by plan and by instruction.
    """

    words: tuple[NDArray[np.int64], ...]
    pipeline: NDArray[np.int64]
    lines: NDArray[np.int64]
    stamps: NDArray[np.int64]
    plans: NDArray[np.int64]
    learnt: NDArray[np.int64]
    dynamics: NDArray[np.int64]


def save(engine: Engine) -> Saved:
    """The state now. No block may be running."""
    m = engine.arena
    assert m[at.NODE] == 0, "a block is running"
    state = int(m[at.STATE])
    lines = np.flatnonzero(m[_STAMPS])
    words = tuple(m[first : first + count].copy() for first, count in _WORDS)
    plans = engine.plans()
    learnt = m[plans[:, None] + _LEARNT]
    pipeline = m[state : state + at.STATE_WORDS].copy()
    return Saved(words, pipeline, lines, m[_STAMPS][lines], plans, learnt, _dynamics(engine).copy())


def _dynamics(engine: Engine) -> NDArray[np.int64]:
    """What is known of each instruction's last execution."""
    end = at.ROWS + at.ROW_STRIDE * int(engine.arena[at.ROW_COUNT])
    return engine.arena[at.ROWS + at.R_DYNAMIC : end : at.ROW_STRIDE]


def restore(engine: Engine, saved: Saved) -> None:
    """Put the engine back to a state of its own."""
    m = engine.arena
    for (first, count), words in zip(_WORDS, saved.words, strict=True):
        m[first : first + count] = words
    m[_STAMPS] = 0
    m[_STAMPS][saved.lines] = saved.stamps
    m[engine.plans()[:, None] + _LEARNT] = 0  # those of blocks that had not run
    m[saved.plans[:, None] + _LEARNT] = saved.learnt
    m[engine.plans() + at.P_IS_KEPT] = 0
    _dynamics(engine)[: len(saved.dynamics)] = saved.dynamics
    m[at.NODE] = 0
    m[at.STATE] = at.START_STATE + at.STATE_STRIDE
    m[m[at.STATE] : m[at.STATE] + at.STATE_WORDS] = saved.pipeline
    engine.forget_results()
