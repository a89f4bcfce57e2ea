"""What an access costs by its address, a divide by its operands, and the steps that tell both at a block's entry.

A plan (plans.py) is a list of steps: a register read, a sum, a word of memory, an access, a divide. An access goes to
its address whether it is told at the block's entry or by a hook at the instruction itself.
"""

# ruff: noqa: F403, F405  every capital name is an offset from layout
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from numba import types

from hil.machine_code import njit
from hil.timing.compiled.layout import *
from hil.timing.compiled.native import INTERNAL, call_mem_read, hook, load_word
from hil.timing.compiled.pipeline import ARENA_POINTER, mix
from hil.timing.compiled.registers import read_register

_ODD = 0x9E3779B97F4A7C15 - (1 << 64)  # of the sum that a signature is


@njit(**INTERNAL)
def register(m, uc, number):
    """A register as it is now, by Unicorn's id."""
    return read_register(m[FN_REG_READ], m[CORE_REGISTERS], m[FLOAT_REGISTERS], uc, number)


@njit(**INTERNAL)
def divide_extra(m, dividend, divisor, is_signed):
    """Cycles of a divide beyond its first, by its operands (costs.divide_cost)."""
    if is_signed:
        dividend = 0x1_0000_0000 - dividend if dividend & 0x8000_0000 else dividend
        divisor = 0x1_0000_0000 - divisor if divisor & 0x8000_0000 else divisor
    if divisor == 0:
        return m[DIVIDE_SHORTEST]
    extra_bits = 0
    while dividend:
        dividend >>= 1
        extra_bits += 1
    while divisor:
        divisor >>= 1
        extra_bits -= 1
    if extra_bits < 0:
        return m[DIVIDE_SHORTEST]
    return min(m[DIVIDE_LONGEST], m[DIVIDE_EQUAL] + extra_bits // m[DIVIDE_BITS])


@njit(**INTERNAL)
def _missing_data_lines(m, address, size):
    """Look up a data read of flash in the data cache, bringing its lines in; how many were not there.

    The lines are kept in order of use: the one wanted moves to the front, the last falls out.
    """
    missing = 0
    for line in range(address >> m[LINE_SHIFT], ((address + size - 1) >> m[LINE_SHIFT]) + 1):
        if line == m[DATA_LINES] and m[HAS_DATA_CACHE]:  # the one read last
            continue
        moving = line
        missing += 1
        for k in range(DATA_LINES, DATA_LINES + m[MOST_DATA_LINES]):
            held = m[k]
            m[k] = moving
            if held == line:
                missing -= m[HAS_DATA_CACHE]
                break
            moving = held
    return missing


@njit(**INTERNAL)
def _sdram_extra(m, row, address):
    """Extra cycles of an access to SDRAM (hil.timing.statement.sdram)."""
    extra = m[SDRAM_HALFWORD] * m[row + R_HALFWORDS]
    if m[row + R_FLAGS] & F_LOADS:
        extra += m[SDRAM_LATENCY]
    bank = SDRAM_ROWS + ((address >> 21) & 3)
    if m[bank] != address >> 9:
        m[bank] = address >> 9
        extra += m[SDRAM_ROW]
    return extra


@njit(**INTERNAL)
def slave_of(m, address):
    slave = (address >= 0x1000_0000) + (address >= 0x2000_0000) + (address >= m[SRAM1_END]) + (address >= m[SRAM2_END])
    slave = EXTERNAL_SLAVE if 0xC000_0000 <= address < 0xE000_0000 else slave
    return slave if m[HAS_SLAVES] else ANY_SLAVE


@njit(**INTERNAL)
def access(m, row, address):
    """Slave, extra cycles and missing data lines of a load or store."""
    address = address | FLASH_ORIGIN if address < 2 * FLASH_HALFWORDS else address
    unit = m[row + R_UNIT]
    extra = 0
    if address & (unit - 1):
        extra = m[UNALIGNED_WORD]
        if address & 1:
            extra = m[ODD_WORD] if unit == 4 else m[ODD_HALFWORD]
    if m[row + R_HALFWORDS] and 0xC000_0000 <= address < 0xE000_0000:
        extra += _sdram_extra(m, row, address)
    missing = 0
    if m[TRACKS_LINES] and m[row + R_BYTES] and 0x0800_0000 <= address < 0x0820_0000:
        missing = _missing_data_lines(m, address, m[row + R_BYTES])
    return slave_of(m, address) | extra << EXTRA_SHIFT | missing << MISS_SHIFT


@njit(**INTERNAL)
def _word(uc, m, address):
    """A word of memory, without asking any peripheral; 0 where there is none."""
    if 0x0800_0000 <= address < 0x2010_0000 or 0xC000_0000 <= address < 0xE000_0000:
        return call_mem_read(m[FN_MEM_READ], uc, address)
    return 0


@njit(**INTERNAL)
def _range(m, row, first, last):
    """Of an access somewhere between two addresses; OUT_OF_RANGE where it matters which."""
    is_flash = first < 0x1000_0000 and m[TRACKS_LINES] and m[row + R_BYTES]
    is_sdram = last >= 0xC000_0000 and m[row + R_HALFWORDS]
    if slave_of(m, first) != slave_of(m, last) or is_flash or is_sdram:
        m[OUT_OF_RANGE] = 1
    return slave_of(m, first)


@njit(**INTERNAL)
def _value(m, uc, step):
    """Of a step: a register, a word of memory, or the sum that it makes of its slots."""
    packed = m[step + S_KIND]
    kind = packed & 0xFF
    if kind == STEP_PLACE:
        return load_word(m[step + S_CONSTANT])
    if kind == STEP_REGISTER:
        return read_register(m[FN_REG_READ], 0, 0, uc, m[step + S_CONSTANT])
    first, second = m[SLOTS + ((packed >> 16) & 0xFF)], m[SLOTS + (packed >> 32)]
    value = (first + (second << ((packed >> 8) & 0xFF)) + m[step + S_CONSTANT]) & 0xFFFF_FFFF
    return _word(uc, m, value) if kind == STEP_WORD else value


@njit(**INTERNAL)
def _dynamic(m, step, value):
    """What a step says of its access or divide; R_DYNAMIC has it, too."""
    packed = m[step + S_KIND]
    kind, row = packed & 0xFF, m[step + S_ROW]
    if kind == STEP_ACCESS:
        dynamic = access(m, row, value)
    elif kind == STEP_RANGE:
        dynamic = _range(m, row, value, value + m[step + S_SPAN])
    else:
        first, second = m[SLOTS + ((packed >> 16) & 0xFF)], m[SLOTS + (packed >> 32)]
        dynamic = divide_extra(m, first, second, m[row + R_NEEDS] & NEED_SIGNED_DIVIDE) << EXTRA_SHIFT
    m[row + R_DYNAMIC] = m[step + S_VALUE] = dynamic
    return dynamic


@njit(**INTERNAL)
def _is_restless(m, kind, row, address):
    """Whether a step's answer may change though its address stays within its slave: caches, open rows, operands."""
    if kind == STEP_DIVIDE:
        return True
    is_flash = address < 0x1000_0000 and m[TRACKS_LINES] and m[row + R_BYTES]
    return is_flash or (m[row + R_HALFWORDS] and 0xC000_0000 <= address < 0xE000_0000)


@njit(**INTERNAL)
def _narrow(m, root, row, first, last):
    """Bound a root, S_LOW and S_REACH of it below and above, so that an access from first to last keeps its slave."""
    below, above = first, ANYWHERE - last
    for border in (0x1000_0000, 0x2000_0000, m[SRAM1_END], m[SRAM2_END], 0xC000_0000, 0xE000_0000):
        if first >= border:
            below = min(below, first - border)
        else:
            above = min(above, border - 1 - last)
    m[root + S_LOW] = min(m[root + S_LOW], below & ~3)
    m[root + S_REACH] = min(m[root + S_REACH], above)
    m[root + S_MASK] |= min(m[row + R_UNIT], 4) - 1


@njit(**INTERNAL)
def _bound(m, plan, k):
    """Turn what _narrow left of a root into its bounds: the lowest value, and how far the highest is from there."""
    step = plan + P_STEPS + STEP_WORDS * k
    reach = m[step + S_LOW] + m[step + S_REACH]
    m[step + S_LOW] = (m[SLOTS + k] - m[step + S_LOW]) & 0xFFFF_FFFF
    m[step + S_REACH] = min(reach, ANYWHERE)


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def learn(uc, plan, m):
    """As evaluate, for the fast model, which comes back without being told whether a root has moved."""
    kept = restless = 0
    for k in range(m[plan + P_COUNT]):
        step = plan + P_STEPS + STEP_WORDS * k
        kind = m[step + S_KIND] & 0xFF
        value = _value(m, uc, step)
        if kind <= STEP_WORD or kind == STEP_PLACE:
            m[SLOTS + k] = value
            continue
        dynamic = _dynamic(m, step, value)
        if _is_restless(m, kind, m[step + S_ROW], value):
            restless = restless * _ODD + dynamic
        else:
            kept = kept * _ODD + (dynamic << 8 | k)
    m[plan + P_SIGNATURE] = mix(mix(kept, 0), restless)


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def evaluate(uc, plan, m):
    """Take the steps of a plan with the registers as they are; P_SIGNATURE is what the block's cost depends on."""
    kept = restless = count = 0
    for k in range(m[STEPS]):
        step = plan + P_STEPS + STEP_WORDS * k
        packed = m[step + S_KIND]
        kind, first = packed & 0xFF, (packed >> 16) & 0xFF
        value = _value(m, uc, step)
        if kind <= STEP_WORD or kind == STEP_PLACE:
            m[SLOTS + k] = value
            m[step + S_LOW] = m[step + S_REACH] = ANYWHERE
            m[step + S_MASK] = 0
            continue
        dynamic = _dynamic(m, step, value)
        if _is_restless(m, kind, m[step + S_ROW], value):
            m[plan + P_STEPS + STEP_WORDS * m[plan + P_COUNT] + count] = k
            count += 1
            restless = restless * _ODD + dynamic
        else:
            kept = kept * _ODD + (dynamic << 8 | k)  # whose answer it is: of the restless ones only the order counts
            if first < SLOT_COUNT - 1:
                _narrow(m, plan + P_STEPS + STEP_WORDS * first, m[step + S_ROW], value, value + m[step + S_SPAN])
    for k in range(m[plan + P_ROOTS]):
        _bound(m, plan, k)
    m[plan + P_IS_KEPT] = m[STEPS] == m[plan + P_COUNT]
    m[plan + P_KEPT], m[plan + P_RESTLESS] = mix(kept, 0), count
    m[plan + P_SIGNATURE] = mix(m[plan + P_KEPT], restless)


@njit(**INTERNAL)
def moves(uc, m, plan):
    """Whether a root of a plan is out of its bounds, so that its steps must be taken. Leaves all roots in SLOTS."""
    moved = 1 - m[plan + P_IS_KEPT]
    for k in range(m[plan + P_ROOTS]):
        step = plan + P_STEPS + STEP_WORDS * k
        value = _value(m, uc, step)
        m[SLOTS + k] = value
        above = (value - m[step + S_LOW]) & 0xFFFF_FFFF
        moved |= (above > m[step + S_REACH]) | ((above & m[step + S_MASK]) != 0)
    return moved


@hook(types.void(types.int64, types.int64, ARENA_POINTER))
def take_restless(uc, plan, m):
    """As evaluate, behind moves() that said no: only those steps whose answers may be others."""
    restless = 0
    numbers = plan + P_STEPS + STEP_WORDS * m[plan + P_COUNT]
    for k in range(m[plan + P_RESTLESS]):
        step = plan + P_STEPS + STEP_WORDS * m[numbers + k]
        restless = restless * _ODD + _dynamic(m, step, _value(m, uc, step))
    m[plan + P_SIGNATURE] = mix(m[plan + P_KEPT], restless)


@njit(**INTERNAL)
def recall(m, plan):
    """Have the rows of a plan say what its steps said last: another plan may share them."""
    for k in range(m[plan + P_ROOTS], m[plan + P_COUNT]):
        step = plan + P_STEPS + STEP_WORDS * k
        m[m[step + S_ROW] + R_DYNAMIC] = m[step + S_VALUE]
