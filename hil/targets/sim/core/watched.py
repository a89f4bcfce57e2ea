"""Single instructions with a native hook of their own: those that read clocks, and those whose base is known late."""

from __future__ import annotations

import numpy as np
import unicorn
from numpy.typing import NDArray

from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.blocks import Block, Check, memory_accesses
from hil.targets.sim.core.blocktable import BlockTable
from hil.targets.sim.core.memory import Memory
from hil.timing.compiled import blockhook as hook
from hil.timing.cost_model import CostModel


class WatchedInstructions:
    """Hooks are added between two runs; what has been translated without them is forgotten."""

    def __init__(self, uc: unicorn.Uc, table: BlockTable, memory: Memory, model: CostModel) -> None:
        self._uc, self._table, self._memory, self._model = uc, table, memory, model
        self._clock_accesses: set[int] = set()
        self._clocks_wanted: list[int] = []
        self._late: dict[int, NDArray[np.uint64]] = {}
        self._late_wanted: list[Check] = []

    def want_late_checks(self, block: Block) -> bool:
        """Note the checks of a block that only its instructions themselves can make. Returns whether any is new."""
        self._late_wanted = [check for check in block.late if check.pc not in self._late]
        return bool(self._late_wanted)

    def add_late_checks(self) -> bool:
        """Hook the instructions noted. Returns whether there were any."""
        wanted, self._late_wanted = self._late_wanted, []
        for check in wanted:
            words = np.array([self._table.address, check.word], np.uint64)
            self._late[check.pc] = words  # kept: the hook holds its address
            self._hook(hook.on_late_check.address, int(words.ctypes.data), check.pc)
        return bool(wanted)

    def late_kind(self, pc: int) -> int:
        """The kind of the late check (CHECK_*) at an instruction."""
        return int(self._late[pc][1]) & 0xFF

    def want_clock_accesses(self, block: Block) -> bool:
        """Note all loads and stores of a block, one of which reads a clock. Returns whether any is new."""
        accesses = memory_accesses(block.address, self._memory.read(block.address, block.size))
        self._clocks_wanted = [pc for pc in accesses if pc not in self._clock_accesses]
        return bool(self._clocks_wanted)

    def add_clock_access(self, pc: int) -> None:
        """From now on the instruction at pc, or those noted, tell their address before they run."""
        wanted, self._clocks_wanted = self._clocks_wanted or [pc], []
        for access in wanted:
            if access in self._clock_accesses:
                raise RuntimeError(f"the instruction at {access:#x} reads a clock and its hook did not run")
            self._clock_accesses.add(access)
            self._hook(hook.on_clock_access.address, self._table.address, access)

    def _hook(self, function: int, user_data: int, pc: int) -> None:
        if self._model.watch(pc, function, user_data):
            return
        unicorn_api.add_native_hook(self._uc, unicorn.UC_HOOK_CODE, function, user_data, pc, pc)
        self._uc.ctl_remove_cache(pc, pc + 4)
