"""Two emulators on the same drawn programs: where they first differ, down to the instruction. One of them has a bug."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hil import targets
from hil.board import Board
from hil.errors import HilError
from hil.measure.snippets import LARGEST, NAMES, OUTCOME_BYTES, RAM, Snippet, draw, program, write_elf

Step = Callable[[str, float], None]
BATCH = LARGEST // OUTCOME_BYTES
_ALIASES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12"}
_RUN_S = 0.01  # of virtual time: a batch has some 20,000 instructions
Outcome = tuple[int, ...]  # of NAMES


@dataclass(frozen=True)
class Disagreement:
    """A snippet's first instruction after which two targets differ, and what each of them has then.

    seed: of the snippet. before: the registers and words that the instruction starts from, where both agree.
    """

    seed: int
    instruction: str
    before: dict[str, int]
    found: dict[str, tuple[int, int]]

    def __str__(self) -> str:
        differing = ", ".join(
            f"{name} {first:#010x} and {second:#010x}" for name, (first, second) in self.found.items()
        )
        operands = [_ALIASES.get(word, word) for word in re.findall(r"\w+", self.instruction)]
        if "lr" in operands:
            operands += [name for name in NAMES if name.startswith("m")]
        given = ", ".join(f"{name} = {value:#010x}" for name, value in self.before.items() if name in operands)
        return f"seed {self.seed}: {self.instruction}: {differing}{f' from {given}' if given else ''}"


def disagreements(
    board: Board, seed: int, count: int, names: tuple[str, str] = ("sim", "renode"),
    step: Step = lambda what, done: None,
) -> list[Disagreement]:  # fmt: skip
    """Run the snippets of the seeds from `seed` on on both targets. Raises HilError where one of them cannot be had."""
    found = []
    for start in range(seed, seed + count, BATCH):
        seeds = range(start, min(start + BATCH, seed + count))
        step(f"running snippets on {' and '.join(names)}", (start - seed) / count)
        snippets = [draw(number) for number in seeds]
        first, second = (outcomes(board, name, snippets) for name in names)
        pairs = zip(seeds, snippets, first, second, strict=True)
        found += [_locate(board, number, snippet, names) for number, snippet, a, b in pairs if a != b]
    return found


def outcomes(board: Board, name: str, snippets: list[Snippet]) -> list[Outcome]:
    """What registers and memory hold after each, on a target. Raises HilError where the program does not end."""
    with tempfile.TemporaryDirectory() as folder, targets.create(name, board) as target:
        target.boot(write_elf(program(snippets), Path(folder) / "snippets.elf"))
        target.read(_RUN_S)
        data = target.read_memory(RAM, OUTCOME_BYTES * len(snippets))
    words = struct.iter_unpack(f"<{len(NAMES)}I", data)
    return [tuple(outcome) for outcome in words]


def _locate(board: Board, seed: int, snippet: Snippet, names: tuple[str, str]) -> Disagreement:
    """Its prefixes, as programs of their own."""
    prefixes = [snippet.up_to(length) for length in range(len(snippet.body) + 1)]
    first, second = (outcomes(board, name, prefixes) for name in names)
    length = next((n for n, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1]), None)
    if not length:  # None, or before the first instruction
        raise HilError(f"seed {seed}: {' and '.join(names)} differ by what ran before: run it alone (--seed {seed})")
    differing = dict(_differing(first[length], second[length]))
    return Disagreement(seed, snippet.text[length - 1], dict(zip(NAMES, first[length - 1], strict=True)), differing)


def _differing(first: Outcome, second: Outcome) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, one, other in zip(NAMES, first, second, strict=True):
        if one != other:
            yield name, (one, other)
