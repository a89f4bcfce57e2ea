"""The fast model's way through a block that follows the one before as it did last time, as in any loop.

Then there is nothing to look for: the exit of the block before tells what that cost and which node follows. All else is
left to the whole hook, before anything has been done. A function that is no more than that keeps what it works on in
this computer's registers: what the model takes beyond a bare block hook became a fifth less.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numpy as np
from numba import carray

from hil.machine_code import njit
from hil.timing.compiled import blockhook
from hil.timing.compiled.hooks import ARENA_WORD, CHARGED, canonical
from hil.timing.compiled.layout import *
from hil.timing.compiled.native import INTERNAL, as_integer, as_words, call_hook, hook

FN_WHOLE = blockhook.MODEL + 2  # the state's word for hooks.on_board_block


@njit(**INTERNAL)
def _exit_to(m, address, size):
    """The exit by which the running block led here last time, with the same accesses; 0: it is not as last time."""
    node = m[NODE]
    if node == 0:
        return 0
    exit_ = m[node + N_EXIT + np.int64(address != m[node + N_END])]
    is_same = exit_ != 0 and m[exit_ + X_TARGET] == address | size << 40 and m[exit_ + X_SIGNATURE] == m[SIGNATURE]
    return exit_ if is_same else 0


@njit(**INTERNAL)
def _begin_again(m, node):
    """As memo.begin, for a node whose accesses need not be learnt this time. Returns whether that is so."""
    plan, signature, hooked_from = m[node + N_PLAN], 0, 0
    if plan != 0:
        hooked_from = m[plan + P_FROM]
        if m[plan + P_COUNT] != 0:
            if m[plan + P_COUNTDOWN] <= 1:
                return False
            m[plan + P_COUNTDOWN] -= 1
            signature = m[plan + P_SIGNATURE]
    m[NODE], m[PLAN], m[HOOKED_FROM], m[SIGNATURE] = node, plan, hooked_from, signature
    m[SERIAL] += 1
    m[INSTRUCTIONS] += m[node + N_INSTRUCTIONS]
    return True


@hook(blockhook.HOOK_SIGNATURE)
def on_board_block_again(uc, address, size, user_data):
    """As hooks.on_board_block."""
    s = as_words(as_integer(user_data))
    state = carray(user_data, (blockhook.LENGTH,), np.uint64)
    m = as_words(s[ARENA_WORD])
    at = canonical(np.int64(address))
    exit_ = _exit_to(m, at, np.int64(size))
    if exit_ != 0 and m[FN_COUNT] == 0 and s[blockhook.WAIT_STATES] | s[blockhook.ART] << 8 == m[SETTINGS]:
        node, cycles = m[exit_ + X_NEXT], m[CYCLES] + m[exit_ + X_CYCLES]
        now = s[blockhook.CYCLES] + cycles - s[CHARGED]
        known = np.uint64(m[node + N_FLAGS] >> KNOWN_SHIFT)
        if known != 0 and blockhook.may_run(uc, state, known, np.uint64(now)) and _begin_again(m, node):
            m[STATE], m[ALIAS] = m[node + N_STATE], at - np.int64(address)
            m[CYCLES] = s[CHARGED] = cycles
            s[blockhook.CYCLES] = now
            blockhook.note(state, address, size, m[node + N_INSTRUCTIONS])
            s[blockhook.PREV_END] = np.int64(address) + np.int64(size)
            return
    call_hook(s[FN_WHOLE], as_integer(uc), np.int64(address), size, as_integer(user_data))
