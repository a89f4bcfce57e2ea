"""The compiled model against the readable one: the same cycles on whatever runs, whatever rules are on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import thumb as t
import unicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil import board
from hil.board.figures import DOCUMENTED, Figures
from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Mode
from hil.timing.compiled.rows import REGISTERS
from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, Segment
from hil.timing.statement import rules
from hil.timing.statement.accelerator import accelerator, names
from hil.timing.statement.decode import Decoder
from hil.timing.statement.flash import FlashSettings
from hil.timing.statement.instruction import Executed
from hil.timing.statement.pipeline import Pipeline
from hil.timing.statement.trace import Recorder

BOARD = board.load("stm32f407_disco")
ENTRY = t.FLASH + 0x200
STACK = t.SRAM1 + 0x8000
# r8 to r11 hold these throughout, r0 to r5 are free, r6 counts the loop.
BASES = {8: t.SRAM1 + 0x1000, 9: t.CCM + 0x100, 10: t.SRAM2 + 0x40, 11: t.FLASH + 0x80}
WRITABLE = (8, 9, 10)
F429 = board.load("stm32f429_disco")
IN_SDRAM = BASES | {8: 0xD000_0000 + 0x1F8, 9: 0xD020_0000 + 0x3F0}  # near ends of rows, in two banks


def _scratch(rng: random.Random) -> int:
    return rng.randrange(6)


def _memory(rng: random.Random) -> bytes:
    base, store_base = rng.choice(list(BASES)), rng.choice(WRITABLE)
    offset = rng.choice([0, 4, 8, 16, 20, 33, 38])
    kinds: list[Callable[[], bytes]] = [
        lambda: t.ldr(_scratch(rng), base, offset),
        lambda: t.ldr(_scratch(rng), base, offset),
        lambda: t.ldrh(_scratch(rng), base, offset),
        lambda: t.str_(_scratch(rng), store_base, offset),
        lambda: t.ldrd(0, 1, base, 8),
        lambda: t.strd(0, 1, store_base, 8),
        lambda: t.ldm(base, 0, 1, 2, 3),
        lambda: t.stm(store_base, 0, 1),
        lambda: t.push(0, 1) + t.pop(0, 1),
        lambda: t.vldr(rng.randrange(4), base, 4),
        lambda: t.vldr_double(1, base, 8),
        lambda: t.ldr_literal(_scratch(rng), 8),
        lambda: t.mov(7, base) + t.ldr_back(0, 7, 4) + t.ldr_back(1, 7, 4),
        lambda: t.mov(7, store_base) + t.str_back(0, 7, 4) + t.str_back(1, 7, 4),
        lambda: t.movs(0, 12) + t.str_register(1, store_base, 0),
        lambda: t.ssat(0, 4, _scratch(rng)) + t.ldr_index(1, base, 0) + t.ldr(2, base, offset),
    ]
    return rng.choice(kinds)()


def _compute(rng: random.Random) -> bytes:
    a, b, c = (_scratch(rng) for _ in range(3))
    x, y, z = (rng.randrange(4) for _ in range(3))
    kinds = [
        t.add_wide(a, b, c), t.adds(a, rng.randrange(256)), t.nop(), t.mov_wide(a, b), t.cmp(a, rng.randrange(256)),
        t.udiv(a, b, c), t.sdiv(a, b, c), t.vadd(x, y, z), t.vmla(x, y, z), t.vdiv(x, y, z),
        t.vmov_to_core(a, x), t.vmov_pair_to_core(0, 1, 2), t.mrs_primask(a),
    ]  # fmt: skip
    return rng.choice(kinds)


def _conditional(rng: random.Random) -> bytes:
    """A compare and an IT over one or two instructions, loads among them."""
    condition = rng.choice([0, 1, 8, 10])
    covered = rng.choice([t.mov(_scratch(rng), 8), t.ldr(0, 8, 4), t.str_(0, 8, 4), t.udiv(1, 2, 3), t.mov_wide(3, 8)])
    if rng.random() < 0.5:
        return t.cmp(_scratch(rng), rng.randrange(256)) + t.it(condition, 8) + covered
    return t.cmp(_scratch(rng), 9) + t.it(condition & 14, 4) + covered + t.ldr(2, 8, 8)


def _branch(rng: random.Random, here: int, leaf: int) -> bytes:
    """A branch over a few instructions, or a call of a leaf."""
    skipped = b"".join(rng.choice([t.nop(), t.add_wide(0, 1, 2), t.ldr(3, 8)]) for _ in range(rng.randrange(1, 4)))
    jump = rng.choice([t.b, lambda d: t.b_if(rng.choice([0, 1, 8, 10, 11]), d), lambda d: t.cbz(_scratch(rng), d)])
    if rng.random() < 0.3:
        return t.bl(leaf - here)
    return jump(2 + len(skipped)) + skipped


def go_round(loop_bytes: int) -> bytes:
    """Behind a loop's body: counts r6 down, goes back while it is not 0, then returns what random_program() pushed."""
    back = -loop_bytes - 2 - 4
    jump = t.half(0xF040 | back >> 20 & 0x400 | back >> 12 & 0x3F, 0x8000 | (back < 0) * 0x2800 | back >> 1 & 0x7FF)
    return t.half(0x3E01) + jump + t.pop(4, 5, 6, 7, 8, 9, 10, 11, t.PC)  # SUBS r6, #1


def random_program(seed: int, length: int, bases: dict[int, int] | None = None, entry: int = ENTRY) -> Program:
    """A function that goes through random instructions three times; bases: registers 8 to 11 (BASES).

    It calls a leaf that lies 0x200 below its entry.
    """
    rng = random.Random(seed)
    code = t.push(4, 5, 6, 7, 8, 9, 10, 11, t.LR) + t.nop() * rng.randrange(2)
    for register, base in (bases or BASES).items():
        code += t.load_constant(register, base)
    code += t.movs(6, 3)
    loop = len(code)
    while len(code) - loop < length:
        kind = rng.choices([_memory, _compute, _conditional, None], [5, 4, 1, 1])[0]
        code += kind(rng) if kind else _branch(rng, entry + len(code), entry - 0x200)
    code += go_round(len(code) - loop)
    leaf = t.adds(0, 1) + t.bx(t.LR)
    data = bytes(rng.randrange(256) for _ in range(0x100))
    segments = Segment(entry - 0x200, leaf), Segment(t.FLASH + 0x80, data), Segment(entry, code)
    return Program(Path("random.elf"), segments, {"f": entry})


def record(program: Program, chip: board.Board = BOARD, arguments: tuple[int, ...] = ()) -> list[Executed]:
    """The program's run, instruction by instruction."""
    core = Core(program, chip, "fast")
    recorder = Recorder(Decoder(core.read), lambda number: int(core.uc.reg_read(REGISTERS[number])))
    core.uc.hook_add(unicorn.UC_HOOK_CODE, lambda uc, address, size, data: recorder.on_instruction(address))
    call = core.call(program.symbols["f"], arguments, STACK, 10**7)
    steps = recorder.steps(core.stop)
    assert len(steps) == call.instructions
    return steps


def cycles_by_statement(
    steps: list[Executed], active: frozenset[str], wait_states: int, figures: Figures = DOCUMENTED
) -> int:
    """By the plain statement of the model."""
    pipeline = Pipeline(active, FlashSettings(wait_states), figures)
    pipeline.start(ENTRY)
    for step in steps:
        pipeline.execute(step)
    return pipeline.arrival()


def rule_sets() -> st.SearchStrategy[frozenset[str]]:
    return st.one_of(
        st.just(rules.ALL), st.sets(st.sampled_from(rules.NAMES), max_size=8).map(lambda off: rules.ALL - off)
    )


FIGURES = st.one_of(
    st.just({}),
    st.dictionaries(st.sampled_from(Figures.__struct_fields__), st.integers(1, 100), max_size=6),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    length=st.sampled_from([40, 200, 600, 1600]),
    wait_states=st.sampled_from([0, 1, 5, 7]),
    active=rule_sets(),
    figures=FIGURES,
)
def test_compiled_equals_readable(
    seed: int, length: int, wait_states: int, active: frozenset[str], figures: dict[str, int]
) -> None:
    program = random_program(seed, length)
    measured = replace(BOARD, timing=Figures(**figures))
    compiled = Core(program, measured, "full", active, wait_states).call(ENTRY, (), STACK, 10**7)
    assert compiled.cycles == cycles_by_statement(record(program), active, wait_states, Figures(**figures))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), length=st.sampled_from([40, 200, 600]), active=rule_sets())
def test_compiled_equals_readable_with_code_in_sram(seed: int, length: int, active: frozenset[str]) -> None:
    entry = t.SRAM1 + 0x4200
    program = random_program(seed, length, entry=entry)
    compiled = Core(program, BOARD, "full", active, 5).call(entry, (), STACK, 10**7)
    pipeline = Pipeline(active, FlashSettings(5))
    pipeline.start(entry)
    for step in record(program):
        pipeline.execute(step)
    assert compiled.cycles == pipeline.arrival()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), active=rule_sets(), figures=FIGURES)
def test_compiled_equals_readable_in_sdram(seed: int, active: frozenset[str], figures: dict[str, int]) -> None:
    program = random_program(seed, 200, IN_SDRAM)
    compiled = Core(program, replace(F429, timing=Figures(**figures)), "full", active, 5).call(ENTRY, (), STACK, 10**7)
    assert compiled.cycles == cycles_by_statement(record(program, F429), active, 5, Figures(**figures))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    length=st.sampled_from([200, 1600]),
    name=st.sampled_from(names()),
    wait_states=st.integers(1, 6),
)
def test_compiled_equals_readable_with_other_flash_accelerators(
    seed: int, length: int, name: str, wait_states: int
) -> None:
    program = random_program(seed, length)
    compiled = Core(program, BOARD, "full", rules.ALL, wait_states, accelerator(name)).call(ENTRY, (), STACK, 10**7)
    pipeline = Pipeline(rules.ALL, FlashSettings(wait_states, accelerator=accelerator(name)))
    pipeline.start(ENTRY)
    for step in record(program):
        pipeline.execute(step)
    assert compiled.cycles == pipeline.arrival()


def test_the_sdram_rule_makes_a_difference_in_both_modes() -> None:
    program = random_program(7, 200, IN_SDRAM)

    def cycles(mode: Mode, active: frozenset[str]) -> int:
        return Core(program, F429, mode, active).call(ENTRY, (), STACK, 10**7).cycles

    on, off = (cycles("full", active) for active in (rules.ALL, rules.ALL - {"sdram"}))
    assert on > 2 * off
    assert cycles("fast", rules.ALL) == pytest.approx(on, rel=0.25)  # rows are taken to be open


def table_look_up(*more: bytes) -> Program:
    """A loop that looks up words of a table at r0 by an index of four bits: 300 times, enough to be translated anew."""
    body = t.mov_wide(4, 3) + t.ssat(4, 4, 4) + t.ldr_index(5, 0, 4) + t.ldr(2, 1) + t.ldr(2, 1, 4) + b"".join(more)
    code = t.load_constant(3, 300) + body + t.half(0x3B01) + t.b_if(1, -len(body) - 2) + t.bx(t.LR)
    return Program(Path("table.elf"), (Segment(t.FLASH, bytes(0x100)), Segment(ENTRY, code)), {"f": ENTRY})


@pytest.mark.parametrize("wait_states", [0, 5])
def test_a_table_that_moves_to_another_memory_is_followed(wait_states: int) -> None:
    """Told at the loop's entry while it lies in RAM; in flash, and where two banks meet, looked at again."""
    tables = (t.SRAM1 + 0x100, t.CCM + 0x100, t.SRAM2, t.FLASH + 0x80, t.SRAM1 + 0x100)
    compare_calls(table_look_up(), [(table, t.SRAM1) for table in tables], wait_states)


@pytest.mark.parametrize("wait_states", [0, 5])
def test_bases_that_change_places_are_told_apart(wait_states: int) -> None:
    """Of three loads one misses in flash and two go to RAM, each time others: the block's entry must tell which."""
    body = t.ldr(3, 0) + t.ldr(4, 1) + t.ldr(5, 2) + t.nop()
    code = t.push(4, 5, t.LR) + body * 3 + t.pop(4, 5, t.PC)
    program = Program(Path("bases.elf"), (Segment(t.FLASH, bytes(0x100)), Segment(ENTRY, code)), {"f": ENTRY})
    flash, ram, odd = t.FLASH + 0x40, t.SRAM1 + 0x100, t.SRAM1 + 0x201
    orders = [
        (flash, ram, ram),
        (ram, flash, ram),
        (ram, ram, flash),
        (flash, ram, ram),
        (ram, odd, ram),
        (ram, ram, odd),
    ]
    compare_calls(program, [*orders, *reversed(orders)], wait_states)


def compare_calls(program: Program, calls: list[tuple[int, ...]], wait_states: int) -> None:
    """Calls one after the other, with these arguments, take the same cycles by both models."""
    core = Core(program, BOARD, "full", rules.ALL, wait_states)
    pipeline = Pipeline(rules.ALL, FlashSettings(wait_states))
    for arguments in calls:
        before = pipeline.cycle
        steps = record(program, arguments=arguments)
        pipeline.flash.leave()
        pipeline.start(ENTRY)
        for step in steps:
            pipeline.execute(step)
        expected = pipeline.arrival() - before
        pipeline._cycle = pipeline.arrival()
        assert core.call(ENTRY, arguments, STACK, 10**7).cycles == expected


def test_two_runs_give_identical_cycles() -> None:
    program = random_program(1, 1600)
    runs = [Core(program, BOARD, "full", rules.ALL, 5).call(ENTRY, (), STACK, 10**7) for _ in range(2)]
    assert runs[0] == runs[1]


def test_without_rules_cycles_are_instructions() -> None:
    call = Core(random_program(2, 600), BOARD, "full", rules.NONE, 5).call(ENTRY, (), STACK, 10**7)
    assert call.cycles == call.instructions == len(record(random_program(2, 600)))


@pytest.mark.parametrize("word", [at.STATE_LIMIT, at.NODE_LIMIT, at.EXIT_LIMIT])
def test_forgetting_what_was_worked_out_changes_nothing(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = random_program(3, 1600)
    steps = record(program)
    core = Core(program, BOARD, "full", rules.ALL, 5)
    counts = {at.STATE_LIMIT: at.STATE_COUNT, at.NODE_LIMIT: at.NODE_COUNT, at.EXIT_LIMIT: at.EXIT_COUNT}
    forgotten = core.engine.arena[counts[word]] = word - 20  # nearly full: forgets after a few blocks
    assert core.call(ENTRY, (), STACK, 10**7).cycles == cycles_by_statement(steps, rules.ALL, 5)
    assert core.engine.arena[counts[word]] < forgotten


def test_work_is_shared_between_repetitions() -> None:
    core = Core(random_program(4, 600), BOARD, "full", rules.ALL, 0)
    core.call(ENTRY, (), STACK, 10**7)
    worked_out = int(core.engine.arena[at.SIMULATED])
    for _ in range(5):
        core.call(ENTRY, (), STACK, 10**7)
    assert int(core.engine.arena[at.SIMULATED]) <= worked_out * 2


def test_breaking_a_rule_in_the_compiled_model_is_noticed() -> None:
    """The comparison above has teeth: an arena whose address stalls were lost gives other cycles."""
    program = random_program(5, 600)
    core = Core(program, BOARD, "full", rules.ALL, 0)
    expected = cycles_by_statement(record(program), rules.ALL, 0)
    core.call(ENTRY, (), STACK, 10**7)
    for class_ in range(int(core.engine.arena[at.CLASS_COUNT])):
        core.engine.arena[at.CLASSES + at.CLASS_STRIDE * class_ + at.C_LATE] = 0
    core.engine.set_flash(FlashSettings(0))  # forgets what was worked out
    assert core.call(ENTRY, (), STACK, 10**7).cycles != expected


def decoded(program: Program) -> Iterator[str]:
    decoder = Decoder(lambda address, size: program.segments[-1].data[address - ENTRY : address - ENTRY + size])
    address = ENTRY
    while address < program.segments[-1].end:
        instruction = decoder.at(address)
        yield instruction.text
        address = instruction.end


def test_the_random_programs_are_what_they_should_be() -> None:
    texts = list(decoded(random_program(6, 1600)))
    for start in ("ldr", "str", "push", "ldm", "udiv", "vadd", "vmla", "it", "cbz", "bl ", "ldrd", "b #"):
        assert any(text.startswith(start) for text in texts), start
    assert texts[-1].startswith("pop") and texts[-2].startswith("bne")
