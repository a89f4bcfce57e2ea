"""What Unicorn may do with a page, told by a native hook when it first touches one.

Left to itself, Unicorn takes all of SRAM for code, as the architecture's default memory map allows, and looks for
translated code behind every store: some 100 ns each. Here SRAM pages become code when they are first executed, and
stores to all others are plain stores.

Before it calls the hook for a load or store, Unicorn 2.1.4 restores the registers as they are at that instruction, IT
bits included, and then goes on in the middle of the block, where nothing clears them again: after a load under an IT
whose page is new, the next block to be looked up would be executed as if it were under that IT. So the hook clears
them.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import unicorn
from numba import boolean, carray, types
from unicorn import arm_const
from unicorn.unicorn_py3.unicorn import uclib  # private: unicorn is pinned to 2.1.4

from hil.timing.compiled.native import as_integer, call_reg_read, call_reg_write, hook

PAGE = 4096  # Unicorn's default for this core, 1 KB, makes it miss its table of pages all the time
_SHIFT = 12
_READ_WRITE, _EVERYTHING = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, unicorn.UC_PROT_ALL
_CCM, _CCM_END, _SRAM, _SRAM_END = 0x1000_0000, 0x1001_0000, 0x2000_0000, 0x2010_0000
# execute-never in the architecture's default memory map (ARMv7-M ARM, B3.1)
_PERIPHERALS, _PERIPHERALS_END, _DEVICES = 0x4000_0000, 0x6000_0000, 0xA000_0000
_PAGES = (_SRAM_END - _SRAM) // PAGE
_REG_READ, _REG_WRITE, _IS_CODE = 0, 1, 2  # words of the hook's data; from the last on a word a page of SRAM
_XPSR, _EPSR_AND_GE = arm_const.UC_ARM_REG_XPSR, arm_const.UC_ARM_REG_EAPSR_G
_GE_AND_THUMB = 0x010F_0000  # the bits that stay; IT[7:2] and IT[1:0] go


@hook(boolean(types.voidptr, types.uint64, types.uint32, types.voidptr, types.voidptr))
def _on_new_page(uc, address, access, result, user_data):  # type: ignore[no-untyped-def]
    """uc_cb_tlbevent_t: fill in {uint64 physical address, uint32 rights}. user_data: the hook's words.

    What is not writable or not there is found out later, with the exact address, by the memory map itself.
    """
    words = carray(user_data, (_IS_CODE + _PAGES,), np.int64)
    if access != unicorn.UC_MEM_FETCH:
        core = as_integer(uc)
        kept = call_reg_read(words[_REG_READ], core, _XPSR) & _GE_AND_THUMB
        call_reg_write(words[_REG_WRITE], core, _EPSR_AND_GE, kept)
    entry = carray(result, (2,), np.uint64)
    entry[0] = address
    rights = np.uint64(_EVERYTHING)
    if _SRAM <= address < _SRAM_END:
        page = _IS_CODE + ((address - np.uint64(_SRAM)) >> np.uint64(_SHIFT))
        if access == unicorn.UC_MEM_FETCH:
            words[page] = 1
        rights = np.uint64(_EVERYTHING) if words[page] else np.uint64(_READ_WRITE)
    elif _CCM <= address < _CCM_END or _PERIPHERALS <= address < _PERIPHERALS_END or address >= _DEVICES:
        rights = np.uint64(_READ_WRITE)
    entry[1] = rights
    return True


class Pages:
    """The hook on one core, which add_hook(kind, function address, user data) adds. Keep it as long as the core."""

    def __init__(self, uc: unicorn.Uc, add_hook: Callable[[int, int, int], object]) -> None:
        self._words = np.zeros(_IS_CODE + _PAGES, np.int64)
        for word, function in ((_REG_READ, uclib.uc_reg_read), (_REG_WRITE, uclib.uc_reg_write)):
            self._words[word] = ctypes.cast(function, ctypes.c_void_p).value or 0
        uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)  # type: ignore[attr-defined]
        add_hook(unicorn.UC_HOOK_TLB_FILL, _on_new_page.address, self._words.ctypes.data)
