"""Profiles: every cycle is counted once, at the right instruction, with the rule that caused it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import thumb as t
from test_timing_compiled import BOARD, ENTRY, STACK, random_program

from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Mode
from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, Segment
from hil.timing.profile.annotate import Code, annotate
from hil.timing.profile.profiler import Profile, Profiler
from hil.timing.statement import rules


def profile(program: Program, mode: Mode = "full", wait_states: int = 0, repeat: int = 1) -> tuple[Profile, int, Core]:
    core = Core(program, BOARD, mode, rules.ALL, wait_states)
    profiler = Profiler(core.engine)
    before = core.engine.cycles
    for _ in range(repeat):
        core.call(ENTRY, (), STACK, 10**7)
        arrival = core.engine.cycles
    return profiler.take(), arrival - before, core


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_instructions_add_up_to_what_the_model_counts(seed: int, mode: Mode) -> None:
    found, cycles, core = profile(random_program(seed, 600), mode, wait_states=(0, 5)[seed % 2])
    assert found.cycles == sum(found.by_chain.values()) == sum(block.cycles for block in found.blocks.values())
    assert sum(spent.executions for spent in found.by_address.values()) == core.engine.instructions
    assert 0 <= cycles - found.cycles <= 4, "the wait for the return address's fetch belongs to no instruction"
    for spent in found.by_address.values():
        assert spent.cycles == spent.executions + sum(spent.reasons.values())


def test_profiling_changes_no_cycle() -> None:
    program = random_program(7, 600)
    plain = Core(program, BOARD, "full", rules.ALL, 5).call(ENTRY, (), STACK, 10**7).cycles
    assert profile(program, wait_states=5)[1] == plain


def test_each_rule_is_blamed_where_it_applies() -> None:
    code = (
        t.load_constant(8, t.SRAM1)
        + t.nop() * 4
        + t.ldr(0, 8, 0)  # overlaps with the next load
        + t.ldr(1, 8, 4)
        + t.add_wide(2, 8, 8)
        + t.mov(3, 8)
        + t.ldr(4, 3, 0)  # waits for the MOV just before
        + t.nop() * 4
        + t.str_(0, 8, 0)
        + t.ldm(8, 0, 1)  # waits for the store's bus, and takes 1 + 2
        + t.bx(t.LR)
    )
    program = Program(Path("rules.elf"), (Segment(ENTRY, code),), {"f": ENTRY})
    found, _, core = profile(program)
    by_text = [
        (core.engine.instruction(address).text, dict(spent.reasons))
        for address, spent in sorted(found.by_address.items())
    ]
    loads = [reasons for name, reasons in by_text if name.startswith("ldr")]
    assert loads[0] == {"load": 1, "load-overlap": -1}
    assert loads[1] == {"load": 1}
    assert loads[2]["address-stall"] == 1
    (multiple,) = [reasons for name, reasons in by_text if name.startswith("ldm")]
    assert multiple == {"store-load": 1, "multiple": 2}


def test_calls_make_chains() -> None:
    leaf = t.nop() + t.bx(t.LR)
    caller = t.push(4, t.LR)
    caller += t.bl(t.FLASH - ENTRY - len(caller))
    caller += t.bl(t.FLASH - ENTRY - len(caller))
    caller += t.pop(4, t.PC)
    program = Program(Path("calls.elf"), (Segment(t.FLASH, leaf), Segment(ENTRY, caller)), {"f": ENTRY})
    found, _, _ = profile(program)
    chains = Counter({chain: cycles for chain, cycles in found.by_chain.items() if t.FLASH in chain})
    assert list(chains) == [(t.FLASH, t.FLASH)], "both calls, from the same caller, and the returns were seen"
    assert all(len(chain) == 1 for chain in found.by_chain if t.FLASH not in chain)


def test_forgetting_in_between_loses_no_count() -> None:
    program = random_program(3, 1600)
    core = Core(program, BOARD, "full", rules.ALL, 5)
    profiler = Profiler(core.engine)
    core.engine.arena[at.NODE_COUNT] = at.NODE_LIMIT - 20  # nearly full: forgets after a few blocks
    core.call(ENTRY, (), STACK, 10**7)
    found = profiler.take()
    whole, _, _ = profile(program, wait_states=5)
    assert found.by_address == whole.by_address


def test_annotation_names_each_stall_and_its_reason() -> None:
    code = (
        t.load_constant(8, t.SRAM1)
        + t.nop() * 4
        + t.ldr(0, 8, 0)
        + t.ldr(1, 8, 4)
        + t.nop()
        + t.mov(3, 8)
        + t.ldr(4, 3, 0)
        + t.ldr(5, 4, 0)  # needs r4
        + t.nop() * 4
        + t.str_(8, 8, 0)
        + t.ldr(1, 8, 4)
        + t.bx(t.LR)
    )
    program = Program(
        Path("stalls.elf"), (Segment(ENTRY, code), Segment(t.SRAM1, t.SRAM1.to_bytes(4, "little"))), {"f": ENTRY}
    )
    found, _, core = profile(program)
    known = Code(core.engine.instruction, lambda address: "f", lambda address: "f.c:7", lambda line: "  x = y[z];")
    text = annotate(found, known, 1)
    assert text.startswith("1. f (f.c:7): ") and "f.c:7  |  x = y[z];" in text
    for words in (
        "1.00  ldr.w r0, [r8]                           overlaps with the next access",
        "2.00  ldr.w r1, [r8, #4]                       +1 load: the next is no single load or store to overlap with",
        "+1 address-stall: r3 was written by the instruction before; +1 load: the next one's address needs r4",
        "+1 store-load: the store just before still has the bus",
    ):
        assert words in text, text
    assert "lost: " in text
