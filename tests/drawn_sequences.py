"""Drawn instruction sequences by the thousand: programs that go round and round, with everything drawn anew each round.

A sequence is what runs from one border of blocks to the next. At the head of each round a program loads its data and
its pointers from a table, so that conditions, divides, slaves, alignment and flash lines of each sequence are drawn,
and so is the state of pipeline and caches that it begins in, by those before it. What runs is noted by a native hook.
"""

# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import thumb as t
import unicorn
from numba import carray, types
from test_timing_compiled import BOARD, ENTRY, STACK, _branch, _compute, _conditional, _memory, go_round

from hil.targets.sim.core import unicorn_api
from hil.timing.compiled.native import as_integer, call_reg_read, hook
from hil.timing.compiled.rows import REGISTERS
from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, Segment
from hil.timing.statement.decode import Decoder
from hil.timing.statement.instruction import Executed, Kind
from hil.timing.statement.trace import Recorder

TABLE = t.SRAM1 + 0x10000
LEAF = ENTRY - 0x200
ROUNDS = 100
NUMBERS = (0, 1, 2, 3, 7, 9, 255, 0x7FFF, 0x8000_0000, 0xFFFF_FFFF)  # besides any word
BANKS = ((t.SRAM1 + 0x1000, 0x3000), (t.SRAM2 + 0x40, 0x2000), (t.CCM + 0x100, 0x4000))
ENDS = (Kind.BRANCH, Kind.BRANCH_CONDITIONAL, Kind.COMPARE_BRANCH, Kind.BRANCH_REGISTER, Kind.LOAD_PC)
MOST_STEPS = 1 << 18
_COUNT, _READ, _FIRST, _WORDS = 0, 1, 8, 15  # of the notes: how many, uc_reg_read, then pc, r0 to r12, sp of each


def drawn_program(seed: int, length: int, rounds: int = ROUNDS) -> Program:
    """A function of about `length` bytes that goes through them `rounds` times."""
    rng = random.Random(seed)
    code = t.push(4, 5, 6, 7, 8, 9, 10, 11, t.LR) + t.nop() * rng.randrange(2)
    code += t.load_constant(12, TABLE) + t.movs(6, rounds)
    loop = len(code)
    code += t.half(0xE8B0 | 12, 0x0F3F)  # LDM r12!, {r0-r5, r8-r11}
    while len(code) - loop < length:
        kind = rng.choices([_memory, _compute, _conditional, None], [5, 4, 1, 4])[0]
        code += kind(rng) if kind else _branch(rng, ENTRY + len(code), LEAF)
    code += go_round(len(code) - loop)
    data = b"".join(word.to_bytes(4, "little") for _ in range(rounds) for word in _drawn_words(rng))
    segments = Segment(LEAF, t.adds(0, 1) + t.bx(t.LR)), Segment(ENTRY, code), Segment(TABLE, data)
    return Program(Path(f"drawn{seed}.elf"), segments, {"f": ENTRY})


def _drawn_words(rng: random.Random) -> list[int]:
    """r0 to r5, three pointers to what can be written, one mostly to flash."""
    numbers = [rng.choice(NUMBERS) if rng.random() < 0.7 else rng.randrange(1 << 32) for _ in range(6)]
    pointers = [origin + 4 * rng.randrange(size // 4) for origin, size in (rng.choice(BANKS) for _ in range(4))]
    return [*numbers, *pointers[:3], t.FLASH + 0x8000 + 4 * rng.randrange(0x100) if rng.random() < 0.7 else pointers[3]]


@hook(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def note(uc, address, size, user_data):
    """A code hook: the registers as they are before the instruction."""
    notes = carray(user_data, (_FIRST + _WORDS * MOST_STEPS,), np.int64)
    row = _FIRST + _WORDS * notes[_COUNT]
    notes[_COUNT] += 1
    notes[row] = address
    for number in range(13):
        notes[row + 1 + number] = call_reg_read(notes[_READ], as_integer(uc), 66 + number)
    notes[row + 14] = call_reg_read(notes[_READ], as_integer(uc), 12)


def run_of(program: Program) -> list[Executed]:
    """What a program executes, instruction by instruction."""
    core = Core(program, BOARD, "fast")
    assert REGISTERS[:14] == [*range(66, 79), 12], "note() knows Unicorn's ids of r0 to r12 and sp"
    notes = np.zeros(_FIRST + _WORDS * MOST_STEPS, np.int64)
    notes[_READ] = unicorn_api.REG_READ
    unicorn_api.add_native_hook(core.uc, unicorn.UC_HOOK_CODE, note.address, int(notes.ctypes.data))
    core.call(program.symbols["f"], (), STACK, 10**7)
    rows = notes[_FIRST : _FIRST + _WORDS * int(notes[_COUNT])].reshape(-1, _WORDS).tolist()
    registers: list[int] = []
    recorder = Recorder(Decoder(core.read), lambda number: registers[1 + number])
    for registers in rows:
        recorder.on_instruction(registers[0])
    return recorder.steps(core.stop)


def sequences(steps: list[Executed]) -> int:
    """How many borders of blocks a run has."""
    return sum(step.is_taken or step.instruction.kind in ENDS for step in steps)


def cycles_by_hooks(program: Program, active: frozenset[str], wait_states: int) -> int:
    return Core(program, BOARD, "full", active, wait_states).call(ENTRY, (), STACK, 10**7).cycles
