"""The interface of the simulated board's clock: the cycles of basic blocks and exceptions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from hil.errors import HilError
from hil.timing.machine import Machine


class CostModel(Protocol):
    """How many cycles a block costs. One instance serves one board."""

    name: str

    @property
    def hook_address(self) -> int:
        """Of a native block hook that begins with blockhook.enter()."""
        ...

    @property
    def problem(self) -> HilError | None:
        """Why cycles are no longer counted, which a native hook could not raise."""
        ...

    def attach(self, machine: Machine) -> None:
        """Called once: memory is mapped, nothing has run. Memory hooks are added here.

        It fills in the words of the state that are the model's: blockhook's FN_CYCLES_BEFORE, FN_BREAK_OFF,
        FN_EMPTY_PIPELINE, ENTRY_CYCLES, RETURN_CYCLES and TAIL_CHAIN_CYCLES.
        """
        ...

    def reset(self) -> None:
        """The core was reset: queues and caches are empty."""
        ...

    def see(self, address: int, size: int) -> None:
        """A block is about to run in pieces: learn of it what is learnt when it is first entered."""
        ...

    def cycles_before(self, address: int, pc: int) -> int:
        """Cycles from the entry of the block now running, which begins at `address`, to its instruction at `pc`."""
        ...

    def break_off(self, pc: int) -> None:
        """The running block has stopped before pc, or has left for it: charge what has run of it."""
        ...

    def watch(self, pc: int, function: int, data: int) -> bool:
        """Have a native hook called before the instruction at pc. Returns False where the caller must hook it."""
        ...

    def go_on(self) -> None:
        """The native hook has stopped the core before a block (blockhook.STOP_MODEL): see to what it wants."""
        ...

    def context(self) -> Hashable:
        """What the running block's cost depends on: equal in two rounds of a loop, every further one costs the same."""
        ...

    def start(self) -> None:
        """What runs next does so as if branched to, with an empty pipeline."""
        ...

    def arrival_cycles(self) -> int:
        """Between two blocks: until the next instruction executes, if its fetch does not wait."""
        ...
