"""What code costs on a Cortex-M4: cycles of basic blocks, behind the simulated board's clock.

blockhook.py   the state that the native block hook shares with the board, and the hook's first half
simple.py      a first model: each instruction's documented cost, no pipeline, no flash
stale.py       keeps numba from running machine code of older sources
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from hil.timing.machine import Machine
from hil.timing.stale import forget_stale_code

forget_stale_code(Path(__file__).parent)  # before a module with compiled functions is imported

ExceptionStep = Literal["entry", "return", "tail-chain"]


class CostModel(Protocol):
    """How many cycles a block costs. One instance serves one board."""

    name: str
    hook_address: int  # of a native block hook that begins with blockhook.enter()
    model_words: int  # uint64 words it wants in the state

    def attach(self, machine: Machine) -> None:
        """Called once: memory is mapped, nothing has run. Memory hooks are added here."""
        ...

    def reset(self) -> None:
        """The core was reset: queues and caches are empty."""
        ...

    def block(self, address: int, code: bytes) -> int:
        """First sight of a block. Returns its static cost (below 2**20) | the model's own flags (12 bits) << 20."""
        ...

    def cycles_before(self, address: int, pc: int) -> int:
        """Cycles from the entry of the block now running, which begins at `address`, to its instruction at `pc`."""
        ...

    def exception_cycles(self, step: ExceptionStep) -> int:
        """Cycles that exception entry, return or tail-chaining take."""
        ...


__all__ = ["CostModel", "ExceptionStep", "Machine"]
