"""`hil calibrate`: the calibration firmware, its table, and what is made of a board that is not as the model says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from compilers import needs
from served import serve

from hil import board as boards
from hil.board import Board
from hil.board.figures import Figures
from hil.errors import HilError
from hil.measure import calibrate as calibration
from hil.targets import TargetError
from hil.targets.connection import Connection
from hil.targets.native import NativeTarget
from hil.targets.serial import SerialTarget
from hil.targets.sim import SimTarget
from hil.timing.model import ModelledCycles

needs_compiler = needs("stm32f407_disco")
DISCO = boards.load("stm32f407_disco")
TABLE = "calibration 1 stm32f407_disco 1\nstores late-release 0 32 35\nstores late-release 5 32 35\nend\n"


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calibration.build_calibration(DISCO, tmp_path_factory.mktemp("calibration"))


def measured_on(board: Board, elf: Path, figures: Figures) -> list[calibration.Measurement]:
    """The table of a board that takes other cycles than documented."""
    with SimTarget(board, model=ModelledCycles("full", figures=figures)) as target:
        calibration.start(target, elf)
        return calibration.read_table(target)


@needs_compiler
@pytest.mark.parametrize("name", boards.names())
def test_the_simulated_board_agrees_with_itself(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    elf = calibration.build_calibration(board, tmp_path)
    compared = calibration.compare(measured_on(board, elf, board.timing), calibration.modelled_table(board, elf))
    assert len(compared) > 100 and not [one for one in compared if one.difference]
    assert calibration.figures_of(board, compared) == board.timing


@needs_compiler
def test_a_boards_own_figures_are_found_stored_and_used(elf: Path, tmp_path: Path) -> None:
    own = Figures(
        multiply_add=2, fp_divide=10, special_register=4, shortest_divide=3, equal_divide=4, unaligned_word=2,
        odd_word=3, odd_halfword=2, exception_entry=16, exception_return=13, tail_chain=9, fp_pair_move=3,
    )  # fmt: skip
    measured = measured_on(DISCO, elf, own)
    compared = calibration.compare(measured, calibration.modelled_table(DISCO, elf))
    wrong = {rule for one in compared if one.difference for rule in one.measured.rules}
    assert {"fp-multicycle", "divide", "unaligned", "exception", "system"} <= wrong
    assert not {"load", "branch-steal", "store-load", "bus-slaves"} & wrong
    found = calibration.figures_of(DISCO, compared)
    assert found == own
    copied = replace(DISCO, folder=tmp_path)
    shutil.copy(DISCO.folder / "board.toml", tmp_path)
    calibration.store_figures(copied, Figures(multiply_add=9))
    path = calibration.store_figures(copied, found)
    assert path.read_text().count("[timing]") == 1 and "multiply_add = 2\n" in path.read_text()
    again = calibration.modelled_table(calibration.with_figures(DISCO, found), elf)
    assert not [one for one in calibration.compare(measured, again) if one.difference]


@needs_compiler
def test_the_sdram_s_own_figures_are_found(tmp_path: Path) -> None:
    board = boards.load("stm32f429_disco")
    elf = calibration.build_calibration(board, tmp_path)
    own = Figures(sdram_latency=11, sdram_halfword=3, sdram_row=15)
    compared = calibration.compare(measured_on(board, elf, own), calibration.modelled_table(board, elf))
    assert {rule for one in compared if one.difference for rule in one.measured.rules} == {"sdram"}
    assert calibration.figures_of(board, compared) == own


def test_figures_as_documented_leave_nothing_in_the_boards_file(tmp_path: Path) -> None:
    copied = replace(DISCO, folder=tmp_path)
    before = Path(shutil.copy(DISCO.folder / "board.toml", tmp_path)).read_text().rstrip()
    calibration.store_figures(copied, Figures(multiply_add=2))
    assert calibration.store_figures(copied, Figures()).read_text().rstrip() == before


@needs_compiler
def test_a_board_behind_a_serial_port_is_measured(elf: Path, tmp_path: Path) -> None:
    with (
        serve(elf, tmp_path / "board") as served,
        SerialTarget(DISCO, Connection(port=str(served.port), flash="none")) as target,
    ):
        calibration.start(target, elf)
        measured = calibration.read_table(target)
    compared = calibration.compare(measured, calibration.modelled_table(DISCO, elf))
    assert {one.measured.rules[0] for one in compared if one.difference} <= {"divide", "unaligned", "data-cache"}, (
        "the served board counts in fast mode, which looks at no operands"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", "begins with 'hello'"),
        (TABLE.replace("407", "429"), "is stm32f429_disco's: pass --board stm32f429_disco"),
        (TABLE.replace("0 32", "0 x2"), "damaged on the way"),
        (TABLE.replace("stores late-release 5 32 35\n", ""), "has 1 lines, expected 2"),
    ],
)
def test_a_table_that_is_none_is_an_error(text: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        calibration.parse_table(text, DISCO)


def test_a_table_with_unknown_measurements_is_an_error() -> None:
    with pytest.raises(TargetError, match="measures stores, which this version does not"):
        calibration.compare(calibration.parse_table(TABLE, DISCO), [])


def test_a_target_that_counts_nothing_is_refused() -> None:
    with pytest.raises(HilError, match="counts no cycles: calibrate --target serial"):
        calibration.start(NativeTarget(DISCO), Path("x.elf"))
