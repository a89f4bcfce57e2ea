"""The words of an arena that stay as they are: addresses of functions, the rules that are on, a board's figures."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray
from unicorn.unicorn_py3.unicorn import uclib  # private: unicorn is pinned to 2.1.4

from hil.board.figures import Figures
from hil.timing.compiled import layout as at
from hil.timing.compiled.accesses import evaluate, learn, take_restless
from hil.timing.compiled.hooks import look
from hil.timing.compiled.pipeline import work_out

Arena = NDArray[np.int64]
NO_DEADLINE = 1 << 62


def write_functions(m: Arena, is_fast: bool) -> None:
    """What native code calls. Hooks that are not compiled yet are, the one last that a second process may be at."""
    library = {at.FN_STOP: uclib.uc_emu_stop, at.FN_REG_READ: uclib.uc_reg_read, at.FN_MEM_READ: uclib.uc_mem_read}
    for word, function in library.items():
        m[word] = ctypes.cast(function, ctypes.c_void_p).value or 0
    m[at.LEARNS] = is_fast
    m[at.FN_LOOK] = 0 if is_fast else look.address
    m[at.FN_EVALUATE] = (learn if is_fast else evaluate).address
    m[at.FN_RESTLESS] = take_restless.address
    m[at.FN_WORK_OUT] = work_out.address


def write_rules(m: Arena, rules: frozenset[str], figures: Figures, banks: tuple[int, int]) -> None:
    """What the model goes by, and where it begins."""
    m[at.ARENA] = m.ctypes.data
    m[at.DEADLINE] = NO_DEADLINE
    m[at.STATE] = at.START_STATE
    m[at.HAS_FETCH] = "fetch-queue" in rules
    m[at.HAS_LATE_RELEASE] = "late-release" in rules
    m[at.HAS_SLAVES] = "bus-slaves" in rules
    m[at.HAS_SRAM_FETCH] = "sram-fetch" in rules
    m[at.DIVIDE_SHORTEST], m[at.DIVIDE_EQUAL] = figures.shortest_divide - 1, figures.equal_divide - 1
    m[at.DIVIDE_LONGEST], m[at.DIVIDE_BITS] = figures.longest_divide - 1, figures.bits_a_divide_cycle
    m[at.UNALIGNED_WORD], m[at.ODD_WORD] = figures.unaligned_word, figures.odd_word
    m[at.ODD_HALFWORD] = figures.odd_halfword
    m[at.SDRAM_LATENCY], m[at.SDRAM_HALFWORD] = figures.sdram_latency, figures.sdram_halfword
    m[at.SDRAM_ROW] = figures.sdram_row
    m[at.SRAM1_END], m[at.SRAM2_END] = banks
