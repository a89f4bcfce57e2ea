"""What Unicorn may do with a page, told by a native hook when it first touches one.

Left to itself, Unicorn takes all of SRAM for code, as the architecture's default memory map allows, and looks for
translated code behind every store: some 100 ns each. Here SRAM pages become code when they are first executed, and
stores to all others are plain stores.
"""

from __future__ import annotations

import numpy as np
import unicorn
from numba import boolean, carray, cfunc, types

from hil.targets.sim import unicorn_api

PAGE = 4096  # Unicorn's default for this core, 1 KB, makes it miss its table of pages all the time
_SHIFT = 12
_READ_WRITE, _EVERYTHING = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, unicorn.UC_PROT_ALL
_CCM, _CCM_END, _SRAM, _SRAM_END = 0x1000_0000, 0x1001_0000, 0x2000_0000, 0x2010_0000
# execute-never in the architecture's default memory map (ARMv7-M ARM, B3.1)
_PERIPHERALS, _PERIPHERALS_END, _DEVICES = 0x4000_0000, 0x6000_0000, 0xA000_0000
_PAGES = (_SRAM_END - _SRAM) // PAGE


@cfunc(boolean(types.voidptr, types.uint64, types.uint32, types.voidptr, types.voidptr), cache=True)
def _on_new_page(uc, address, access, result, user_data):  # type: ignore[no-untyped-def]
    """uc_cb_tlbevent_t: fill in {uint64 physical address, uint32 rights}. user_data: for each SRAM page, is it code.

    What is not writable or not there is found out later, with the exact address, by the memory map itself.
    """
    entry = carray(result, (2,), np.uint64)
    entry[0] = address
    rights = np.uint64(_EVERYTHING)
    if _SRAM <= address < _SRAM_END:
        is_code = carray(user_data, (_PAGES,), np.uint8)
        page = (address - np.uint64(_SRAM)) >> np.uint64(_SHIFT)
        if access == unicorn.UC_MEM_FETCH:
            is_code[page] = 1
        rights = np.uint64(_EVERYTHING) if is_code[page] else np.uint64(_READ_WRITE)
    elif _CCM <= address < _CCM_END or _PERIPHERALS <= address < _PERIPHERALS_END or address >= _DEVICES:
        rights = np.uint64(_READ_WRITE)
    entry[1] = rights
    return True


class Pages:
    """The hook on one core. Keep it as long as the core."""

    def __init__(self, uc: unicorn.Uc) -> None:
        self._is_code = np.zeros(_PAGES, np.uint8)
        uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)  # type: ignore[attr-defined]
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_TLB_FILL, _on_new_page.address or 0, self._is_code.ctypes.data)
