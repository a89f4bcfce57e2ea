"""A clock that costs nearly nothing, for the bench: what Unicorn takes by itself, with a block hook but no model.

A block is charged its bytes, which is enough for events to come when they would; checks of blocks stay.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray, types

from hil.errors import HilError
from hil.timing.compiled import blockhook
from hil.timing.compiled.native import as_words, hook
from hil.timing.machine import Machine

_EXCEPTION_CYCLES = 12


@hook(blockhook.HOOK_SIGNATURE)
def on_bare_block(uc, address, size, user_data):
    """User data is the simulated board's state."""
    state = carray(user_data, (blockhook.LENGTH,), np.uint64)
    state[blockhook.CYCLES] += state[blockhook.BLOCK_SIZE]
    if blockhook.enter(uc, state, address, size) != np.uint64(0):
        state[blockhook.PREV_END] = np.uint64(address) + np.uint64(size)


@hook(types.int64(types.int64, types.int64))
def bare_cycles_before(state, pc):
    return pc - as_words(state)[blockhook.BLOCK]


@hook(types.void(types.int64, types.int64))
def bare_break_off(state, pc):
    """Nothing is owed."""


class Bare:
    """hil.timing.cost_model.CostModel without a model."""

    name = "bare"
    problem: HilError | None = None

    @property
    def hook_address(self) -> int:
        return on_bare_block.address

    def attach(self, machine: Machine) -> None:
        machine.state[blockhook.FN_CYCLES_BEFORE] = bare_cycles_before.address
        machine.state[blockhook.FN_BREAK_OFF] = machine.state[blockhook.FN_EMPTY_PIPELINE] = bare_break_off.address
        for step in (blockhook.ENTRY_CYCLES, blockhook.RETURN_CYCLES, blockhook.TAIL_CHAIN_CYCLES):
            machine.state[step] = _EXCEPTION_CYCLES

    def reset(self) -> None: ...

    def cycles_before(self, address: int, pc: int) -> int:
        return pc - address

    def break_off(self, pc: int) -> None: ...

    def watch(self, pc: int, function: int, data: int) -> bool:
        return False

    def go_on(self) -> None: ...

    def context(self) -> int:
        return 0

    def start(self) -> None: ...

    def arrival_cycles(self) -> int:
        return 0
