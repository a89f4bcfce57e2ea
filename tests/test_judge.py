"""What a run's cycles are, also where the board behind a serial port is an emulated one."""

from __future__ import annotations

import re

import pytest
from board_programs import program

from hil import board
from hil.bench.judge import counter, predictions
from hil.board.generate import renode_platform
from hil.targets import create
from hil.targets.base import Counter

UNIQUE_ID = 0x1FFF_7A10
REAL = "323034313438470b00290033"


@pytest.mark.parametrize(
    ("of_target", "chip", "expected"),
    [
        ("dwt", REAL, "dwt"),
        ("dwt", b"SIMSTM32F407".hex(), "timing-model"),
        ("dwt", b"RENODE-F407 ".hex(), "instructions"),
        ("timing-model", b"SIMSTM32F407".hex(), "timing-model"),
        (None, "0" * 24, None),
    ],
)
def test_an_emulated_board_behind_a_port_counts_no_real_cycles(
    of_target: Counter, chip: str, expected: Counter
) -> None:
    assert counter(of_target, chip) == expected


@pytest.mark.parametrize("name", board.names())
def test_the_emulated_chips_have_these_numbers(name: str) -> None:
    described = board.load(name)
    with create("sim", described) as sim:
        sim.boot(program("count"))
        assert counter("dwt", sim.read_memory(UNIQUE_ID, 12).hex()) == "timing-model"
    words = re.findall(r"0x21[048]: 0x(\w{8})", renode_platform(described))
    renodes = b"".join(int(word, 16).to_bytes(4, "little") for word in words)
    assert len(renodes) == 12 and counter("dwt", renodes.hex()) == "instructions"


def test_what_counts_instructions_is_not_held_against_waits_for_memory() -> None:
    layers = [{"name": "a", "predicted_cycles": 100, "waiting_cycles": 40}, {"name": "b", "predicted_cycles": 10}]
    assert predictions({"layers": layers}, of_instructions=False) == {"a": 100, "b": 10}
    assert predictions({"layers": layers}, of_instructions=True) == {"a": 60, "b": 10}
