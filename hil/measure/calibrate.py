"""`hil calibrate`: a board's own cycle counter against the timing model, rule by rule.

firmware_src/calibration measures sequences of a few instructions and prints a table. What the model makes of the same
instructions is the same firmware's table on the simulated board, in the model's full mode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import ValidationError, convert
from msgspec.structs import asdict

from hil import targets
from hil.board import Board
from hil.board.figures import Figures
from hil.errors import HilError
from hil.files import write_text
from hil.firmware.beside import build_beside
from hil.paths import BUILD, is_installed
from hil.targets.base import Target, TargetError
from hil.targets.serial import SerialTarget
from hil.targets.sim import SimTarget

PATIENCE_S = 5.0
_QUIET_S = 0.2
_MOST_BYTES = 100_000
_MARK = "# Measured on the board by hil calibrate --store (hil/board/figures.py)"
_HEADER = re.compile(r"calibration 1 (\S+) (\d+)")
_LINE = re.compile(r"(\w+) ([\w,-]+) (\d+) (\d+) (\d+)")


@dataclass(frozen=True)
class Measurement:
    """Cycles of a sequence repeated so often, at a number of flash wait states; rules: those that it is about."""

    name: str
    rules: tuple[str, ...]
    wait_states: int
    repetitions: int
    cycles: int


@dataclass(frozen=True)
class Comparison:
    """A measurement and what the model makes of it."""

    measured: Measurement
    modelled: int

    @property
    def difference(self) -> float:
        """Cycles a repetition that the target takes longer than the model says."""
        return (self.measured.cycles - self.modelled) / self.measured.repetitions


def build_calibration(board: Board, out: Path | None = None, toolchain: str | None = None) -> Path:
    """The calibration firmware's ELF, built anew; toolchain: the compiler (hil.firmware.toolchain).

    Raises HilError where a tool is missing or the build fails.
    """
    elf = (out or BUILD / "calibration" / board.name) / "calibration.elf"
    return build_beside("calibration", board, elf, toolchain)


def start(target: Target, elf: Path) -> None:
    """Have a target run the calibration firmware. Raises HilError for a target that counts no cycles."""
    if isinstance(target, SerialTarget):
        target.load(elf)
    elif target.capabilities.cycles == "timing-model":
        target.boot(elf)
    else:
        raise HilError(f"target {target.name} counts no cycles: calibrate --target serial (a board) or sim")


def read_table(target: Target) -> list[Measurement]:
    """Ask the calibration firmware for its table. Raises TargetError where no table or a damaged one comes."""
    while target.read(_QUIET_S):  # what it said before
        pass
    target.write(b"?")
    received = b""
    while not received.endswith(b"\nend\n") and len(received) < _MOST_BYTES:
        data = target.read(PATIENCE_S)
        if not data:
            raise TargetError(
                f"the board sent {len(received)} bytes and then nothing for {PATIENCE_S:g} s: does it run the "
                "calibration firmware? flash it (hil calibrate without --at flash=none)"
            )
        received += data
    return parse_table(received.decode("ascii", errors="replace"), target.board)


def parse_table(text: str, board: Board) -> list[Measurement]:
    """The lines of a table. Raises TargetError where it is another board's, or damaged."""
    header, *lines = text.strip().splitlines()
    head = _HEADER.fullmatch(header)
    if head is None:
        raise TargetError(f"the board's table begins with {header[:40]!r}, expected 'calibration 1 BOARD COUNT'")
    if head[1] != board.name:
        raise TargetError(f"the calibration firmware on the board is {head[1]}'s: pass --board {head[1]}")
    found = []
    for line in lines[:-1]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise TargetError(f"the board's table has the line {line[:60]!r}: was it damaged on the way? try again")
        waits, repetitions, cycles = (int(match[k]) for k in (3, 4, 5))
        found.append(Measurement(match[1], tuple(match[2].split(",")), waits, repetitions, cycles))
    if len(found) != 2 * int(head[2]):
        raise TargetError(f"the board's table has {len(found)} lines, expected {2 * int(head[2])}: try again")
    return found


def modelled_table(board: Board, elf: Path) -> list[Measurement]:
    """What the timing model makes of the calibration firmware."""
    with SimTarget(board, timing="full") as target:
        start(target, elf)
        return read_table(target)


def compare(measured: Sequence[Measurement], modelled: Sequence[Measurement]) -> list[Comparison]:
    """Line by line. Raises TargetError where the target ran another firmware."""
    known = {(one.name, one.wait_states): one for one in modelled}
    pairs = []
    for one in measured:
        other = known.get((one.name, one.wait_states))
        if other is None or other.repetitions != one.repetitions:
            raise TargetError(f"the board measures {one.name}, which this version does not: flash its own firmware")
        pairs.append(Comparison(one, other.cycles))
    return pairs


def calibrate(
    board: Board, target_name: str, options: dict[str, object], toolchain: str | None = None
) -> list[Comparison]:
    """Build, run on a target and compare; toolchain: the compiler (hil.firmware.toolchain)."""
    elf = build_calibration(board, toolchain=toolchain)
    with targets.create(target_name, board, **options) as target:
        start(target, elf)
        measured = read_table(target)
    return compare(measured, modelled_table(board, elf))


# by how much of a measurement's difference, a repetition, each figure is to be corrected
_SHOWN_BY: dict[str, dict[str, float]] = {
    "multiply_add": {"fp_multiply_adds": 1 / 2}, "fp_divide": {"fp_divide": 1}, "fp_pair_move": {"fp_pair_to_core": 1},
    "special_register": {"read_special": 1}, "shortest_divide": {"divide_1_by_ffff": 1},
    "equal_divide": {"divide_1_by_1": 1}, "unaligned_word": {"word_at_2": 1}, "odd_word": {"word_at_1": 1},
    "odd_halfword": {"halfword_at_1": 1}, "exception_entry": {"exception_entry": 1},
    "exception_return": {"exception_return": 1}, "tail_chain": {"tail_chain": 1},
    "sdram_halfword": {"sdram_word": 1, "sdram_halfword": -1}, "sdram_row": {"sdram_rows": 1 / 2, "sdram_word": -1},
    "sdram_latency": {"sdram_halfword": 2, "sdram_word": -1},
}  # fmt: skip


def figures_of(board: Board, compared: Sequence[Comparison]) -> Figures:
    """The figures, corrected by what was measured at 0 wait states. Raises HilError where that is no cycle count."""
    present = asdict(board.timing)
    by_name = {one.measured.name: one for one in compared if one.measured.wait_states == 0}
    for figure, shares in _SHOWN_BY.items():
        if shares.keys() <= by_name.keys():
            correction = sum(share * by_name[name].difference for name, share in shares.items())
            present[figure] = max(0, present[figure] + round(correction))
    try:
        return convert(present, Figures)
    except ValidationError as error:
        raise HilError(f"what was measured is no cycle figure: {error}") from error


def store_figures(board: Board, figures: Figures) -> Path:
    """Put the figures that are not the documented ones into board.toml's table [timing], in the place of those."""
    path = board.folder / "board.toml"
    if is_installed():
        raise HilError(
            f"{path} belongs to the installation: store figures in a checkout, or keep them with --json FILE"
        )
    text = re.sub(rf"\n*({re.escape(_MARK)}\n)?\[timing\]\n([^\[].*\n|\n)*", "\n", path.read_text(encoding="utf-8"))
    changed = figures.changed()
    if changed:
        lines = "".join(f"{name} = {value}\n" for name, value in changed.items())
        text = f"{text.rstrip()}\n\n{_MARK}\n[timing]\n{lines}"
    write_text(path, text)
    return path


def with_figures(board: Board, figures: Figures) -> Board:
    """The board as it is once the figures are stored."""
    return replace(board, timing=figures)
