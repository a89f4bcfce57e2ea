"""The part of the simulated board that a cost model may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy import uint64
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Machine:
    """The core as a cost model attaches to it.

    state: the block hook's array (hil.timing.compiled.blockhook). read(address, size): bytes of flash or RAM.
    add_native_hook(kind, function address, begin, end): a Unicorn hook of that kind (UC_HOOK_CODE, ...) that calls a
    native function with the state's address as its user data; begin > end: everywhere. Returns its handle. has_sdram:
    whether the board has memory behind the FMC. banks: where SRAM1 and SRAM2 end.
    """

    uc: Any
    state: NDArray[uint64]
    read: Callable[[int, int], bytes]
    add_native_hook: Callable[[int, int, int, int], int]
    has_sdram: bool = False
    banks: tuple[int, int] = 0x2001_C000, 0x2002_0000
