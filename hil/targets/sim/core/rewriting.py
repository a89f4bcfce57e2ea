"""Code in RAM that is written anew over and over: each time Unicorn has to translate it again.

That takes 5 to 30 us, a thousand times as long as to run it. A program that does nothing else would keep the
computer busy for minutes before it had its ten seconds of the board's time.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
import unicorn
from numba import carray, types

from hil.board import Board
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.words import BUSY_SINCE
from hil.timing.compiled.blockhook import DEADLINE, STOP, STOP_NONE, STOP_REWRITING
from hil.timing.compiled.native import as_words, hook

_STATE, _SINCE, _WORK, _MOST, _WORDS = range(5)  # of the hook's data; WORK: in instructions, of a block and beside it
BESIDE = 16  # what a block costs that has no instruction
MOST_WORK = 12_000_000  # without sleep or a byte sent: 4 to 20 s of the computer, 700,000 small blocks


@hook(types.void(types.voidptr, types.voidptr, types.voidptr, types.voidptr))
def on_translated(_uc, block, _before, user_data):
    """uc_hook_edge_gen_t, for code in RAM. block: {uint64 address, uint16 instructions, uint16 bytes}."""
    own = carray(user_data, (_WORDS,), np.int64)
    s = as_words(own[_STATE])
    if own[_SINCE] != s[BUSY_SINCE]:
        own[_SINCE], own[_WORK] = s[BUSY_SINCE], 0
    own[_WORK] += BESIDE + np.int64(carray(block, (5,), np.uint16)[4])
    if own[_WORK] > own[_MOST] and s[STOP] == STOP_NONE:
        s[STOP], s[DEADLINE] = STOP_REWRITING, 0  # the block's own hook stops the core


class Rewriting:
    """The count, on one core. Keep it as long as the core. state: the address of the block hook's array."""

    def __init__(self, uc: unicorn.Uc, board: Board, state: int) -> None:
        self._words = np.zeros(_WORDS, np.int64)
        self._words[_STATE], self._words[_MOST] = state, MOST_WORK
        ram = board.sram.origin, board.sram.origin + board.sram.bytes - 1
        data = int(self._words.ctypes.data)
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_EDGE_GENERATED, on_translated.address, data, *ram)
