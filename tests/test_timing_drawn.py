"""The compiled model against the statement on drawn sequences: a short cut of the campaign differential_timing.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from differential_timing import compared
from drawn_sequences import cycles_by_hooks, drawn_program, run_of, sequences
from test_timing_compiled import BOARD, ENTRY, STACK, cycles_by_statement

from hil.timing.compiled import layout as at
from hil.timing.cycles.core import Core
from hil.timing.statement import rules
from hil.timing.statement.flash import FlashSettings

HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", range(1_000_000, 1_000_004))
def test_drawn_sequences_cost_the_same_by_both_models(seed: int) -> None:
    count, instructions, agrees = compared(seed)
    assert agrees
    assert instructions > count > 500


def test_the_comparison_notices_a_rule_that_is_lost() -> None:
    program = drawn_program(1_000_000, 300, rounds=20)
    core = Core(program, BOARD, "full", rules.ALL, 5)
    expected = cycles_by_statement(run_of(program), rules.ALL, 5)
    assert core.call(ENTRY, (), STACK, 10**7).cycles == expected
    for class_ in range(int(core.engine.arena[at.CLASS_COUNT])):
        core.engine.arena[at.CLASSES + at.CLASS_STRIDE * class_ + at.C_STORE] = 0
    core.engine.set_flash(FlashSettings(5))  # forgets what was worked out
    assert core.call(ENTRY, (), STACK, 10**7).cycles != expected


def test_each_round_is_another() -> None:
    """What is compared is no loop that does the same over and over: every round has its own addresses and divides."""
    steps = run_of(drawn_program(1_000_001, 300, rounds=20))
    accesses = [(step.instruction.address, step.data_address) for step in steps if step.data_address is not None]
    divides = [step.operands for step in steps if step.operands is not None]
    assert len(set(accesses)) > len(accesses) / 3
    assert len(set(divides)) > len(divides) / 3
    assert 2 * sequences(steps) < len(steps) < 10 * sequences(steps)


def test_another_process_counts_the_same_cycles() -> None:
    """Whatever its hash seed; one process runs the program twice."""
    code = (
        "from test_timing_drawn import *\n"
        "program = drawn_program(1_000_002, 700, rounds=20)\n"
        "core = Core(program, BOARD, 'fast', rules.ALL, 5)\n"
        "print(cycles_by_hooks(program, rules.ALL, 5), *[core.call(ENTRY, (), STACK, 10**7).cycles for _ in range(2)])"
    )

    def printed(seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout

    program = drawn_program(1_000_002, 700, rounds=20)
    core = Core(program, BOARD, "fast", rules.ALL, 5)
    here = [cycles_by_hooks(program, rules.ALL, 5), *[core.call(ENTRY, (), STACK, 10**7).cycles for _ in range(2)]]
    assert printed("1").split() == printed("2").split() == [str(cycles) for cycles in here]
