"""Native hooks for a debugger: on an instruction, and on accesses to memory. They write what they meet in a ledger.

An entry is what finds the instruction again: the block it is in and its bytes, the instructions executed when that
block was entered (those of the block included), the cycle then, its own address, and the address accessed.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types
from unicorn import arm_const

from hil.timing.compiled import blockhook
from hil.timing.compiled.blockhook import HOOK_SIGNATURE
from hil.timing.compiled.native import as_integer, as_words, call_reg_read, call_stop, hook

# -- the ledger, int64 words: the board's state by its address, whether to stop, how many entries so far, the entries
STATE, STOPS, COUNT = range(3)
ENTRIES = 8
ENTRY_WORDS = 8
E_POINT, E_BLOCK, E_INSTRUCTIONS, E_CYCLE, E_PC, E_ADDRESS, E_BLOCK_SIZE, E_IS_WRITE = range(ENTRY_WORDS)
CAPACITY = 1 << 12  # then the oldest are overwritten
LEDGER_WORDS = ENTRIES + ENTRY_WORDS * CAPACITY
# -- a point: the ledger's address, its number, first and last address watched, kinds of access wanted
P_LEDGER, P_NUMBER, P_FIRST, P_LAST, P_KINDS = range(5)
POINT_WORDS = 5
READS, WRITES = 1, 2

MEMORY_SIGNATURE = types.void(
    types.voidptr, types.int32, types.uint64, types.int32, types.int64, types.voidptr
)  # uc_cb_hookmem_t
_MEM_WRITE = 17
_NOWHERE = 1  # no address is odd


@hook(HOOK_SIGNATURE)
def on_instruction(uc, address, size, user_data):
    """A breakpoint: stop before the instruction, or only note it."""
    point = as_words(as_integer(user_data))
    ledger = as_words(point[P_LEDGER])
    s = as_words(ledger[STATE])
    if s[blockhook.SKIP_STOP] == address:
        s[blockhook.SKIP_STOP] = _NOWHERE
        return
    entry = ENTRIES + ENTRY_WORDS * (ledger[COUNT] % CAPACITY)
    ledger[COUNT] += 1
    ledger[entry + E_POINT] = point[P_NUMBER]
    ledger[entry + E_BLOCK] = s[blockhook.BLOCK]
    ledger[entry + E_INSTRUCTIONS] = s[blockhook.INSTRUCTIONS]
    ledger[entry + E_CYCLE] = s[blockhook.BLOCK_START]
    ledger[entry + E_PC] = address
    ledger[entry + E_ADDRESS] = ledger[entry + E_IS_WRITE] = 0
    ledger[entry + E_BLOCK_SIZE] = s[blockhook.BLOCK_SIZE]
    if ledger[STOPS]:
        if s[blockhook.STOP] != blockhook.STOP_NONE:
            s[blockhook.HELD] = s[blockhook.STOP]
        s[blockhook.STOP] = blockhook.STOP_DEBUG
        s[blockhook.SUSPECT] = address
        s[blockhook.DEADLINE] = 0  # under an IT Unicorn takes a stop back: the next block's hook repeats it
        call_stop(s[blockhook.FN_STOP], as_integer(uc))


@hook(MEMORY_SIGNATURE)
def on_access(uc, access, address, size, value, user_data):
    """A watchpoint: note the access; the next block does not begin where it is to stop."""
    point = as_words(as_integer(user_data))
    first = types.int64(address)
    if first > point[P_LAST] or first + size <= point[P_FIRST]:
        return
    is_write = access == _MEM_WRITE
    if not point[P_KINDS] & (WRITES if is_write else READS):
        return
    ledger = as_words(point[P_LEDGER])
    s = as_words(ledger[STATE])
    entry = ENTRIES + ENTRY_WORDS * (ledger[COUNT] % CAPACITY)
    ledger[COUNT] += 1
    ledger[entry + E_POINT] = point[P_NUMBER]
    ledger[entry + E_BLOCK] = s[blockhook.BLOCK]
    ledger[entry + E_INSTRUCTIONS] = s[blockhook.INSTRUCTIONS]
    ledger[entry + E_CYCLE] = s[blockhook.BLOCK_START]
    ledger[entry + E_PC] = call_reg_read(s[blockhook.FN_REG_READ], as_integer(uc), arm_const.UC_ARM_REG_PC)
    ledger[entry + E_ADDRESS] = first
    ledger[entry + E_BLOCK_SIZE] = s[blockhook.BLOCK_SIZE]
    ledger[entry + E_IS_WRITE] = is_write
    if ledger[STOPS] and s[blockhook.STOP] == blockhook.STOP_NONE:
        s[blockhook.STOP] = blockhook.STOP_DEBUG
        s[blockhook.SUSPECT] = _NOWHERE
        s[blockhook.DEADLINE] = 0
