"""Unicorn's code hook, taken off the instructions that need not be looked at.

Unicorn puts a hook's call into the code that it translates where the hook's range covers an instruction, and calls a
function directly where it is the only code hook: hooks on single instructions would have each of them walk a list. So
there is one hook, everywhere. When too many of its calls in a block came in vain, what was translated of the block is
dropped and the range laid over what is left to look at, while the block is translated again.

The range is wide otherwise: whatever Unicorn translates anew by itself (in another mode of the core, after its buffer
was full, of changed code) gets all its hooks, so nothing is ever missed. Under an IT Unicorn goes by the range when the
code runs, too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from hil.errors import HilError

BEGIN, END = 0xFFFF_FFFF_0000_0010, 0xFFFF_FFFF_0000_0020  # of a new hook, to be found by: code is never there
_NEIGHBOUR_BYTES = 8
_EVERYWHERE = (1, 0)
_STRUCT_WORDS = 8  # of Unicorn's struct hook, up to the range


class InstructionHooks:
    """Code hooks on a few instructions, for the fast model: Unicorn walks a list of them, so neighbours share one.

    add(first, last): have the model look at the instructions from one address to another before they run.
    """

    def __init__(self, uc: Any, add: Callable[[int, int], object]) -> None:
        self._uc, self._add = uc, add
        self._hooked: set[int] = set()

    def cover(self, block: int, instructions: list[int]) -> None:
        """Have the block that begins at an address translated with hooks on these instructions; nothing must run."""
        wanted = sorted(set(instructions) - self._hooked)
        self._hooked.update(wanted)
        while wanted:
            first = last = wanted.pop(0)
            while wanted and wanted[0] - last <= _NEIGHBOUR_BYTES:
                last = wanted.pop(0)
            self._add(first, last)
        self._uc.ctl_remove_cache(block, block + 2)


class MovableHook:
    """A code hook that was added for BEGIN to END. handle: what uc_hook_add gave, the address of its struct hook."""

    def __init__(self, uc: Any, handle: int) -> None:
        self._uc = uc
        words = (ctypes.c_uint64 * _STRUCT_WORDS).from_address(handle)
        places = [k for k in range(_STRUCT_WORDS - 1) if (words[k], words[k + 1]) == (BEGIN, END)]
        if len(places) != 1:
            raise HilError("Unicorn's hooks are not as in version 2.1.4: pip install unicorn==2.1.4")
        self._range = (ctypes.c_uint64 * 2).from_address(handle + 8 * places[0])
        self._lay(*_EVERYWHERE)

    def narrow(self, first: int, start: int, end: int) -> int:
        """Have the block from start to end translated with hooks from the instruction at `first` on.

        Returns the address of the range's two words, to be made 1 and 0 when that has been done.
        """
        self._lay(*((first, end - 1) if first < end else (BEGIN, END)))
        self.drop(start, start + 2)  # blocks that begin further on keep theirs: else two would drop each other by turns
        return ctypes.addressof(self._range)

    def drop(self, start: int, end: int) -> None:
        """Forget what has been translated of a stretch of code; nothing must be running."""
        self._uc.ctl_remove_cache(start, end)

    def _lay(self, first: int, last: int) -> None:
        self._range[0], self._range[1] = first, last
