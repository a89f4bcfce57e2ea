"""Mutants of the constants in the ELF: a number of an array is another one, as if weights.c had been built with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from hil.compiler.kernels.weights import constants
from hil.compiler.quantised import graph as q
from hil.elf_file import elf_file
from hil.firmware.stamp import write_hash
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.sources import EXACT
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait
from hil.targets.symbols import symbols

Change = Callable[[np.ndarray, int], None]  # of an array, in place, at an index
SITES = 4  # indices an array


def _flip(bit: int) -> Change:
    def change(values: np.ndarray, index: int) -> None:
        values[index] ^= np.array(1 << bit).astype(values.dtype)

    return change


def _zero_run(values: np.ndarray, index: int) -> None:
    values[index : index + 8] = 0


def _swap(values: np.ndarray, index: int) -> None:
    other = (index + len(values) // 2) % len(values)
    values[index], values[other] = values[other], values[index]


def _scaled(values: np.ndarray, index: int) -> None:
    values[index] -= values[index] // 4


def _away(values: np.ndarray, index: int) -> None:
    values[index] += 1 << 12


KINDS: tuple[tuple[str, str, str, Change], ...] = (  # name, what it breaks, ending of the array's name, the change
    ("weight-bit", "a bit of a weight", "_weight", _flip(6)),
    ("weight-sign", "the sign of a weight", "_weight", _flip(7)),
    ("weights-zero", "eight weights", "_weight", _zero_run),
    ("weights-swapped", "two weights in each other's place", "_weight", _swap),
    ("bias", "a bias", "_bias", _away),
    ("multiplier", "an output's multiplier, by a quarter", "_multiplier", _scaled),
    ("gain", "a gain of L2Norm, by a quarter", "_gain", _scaled),
    ("pixel-weight", "a weight of the first RNN", "_w1", _flip(11)),
    ("pixel-offset", "a bias of the first RNN", "_offset1", _flip(14)),
    ("recurrent-weight", "a recurrent weight", "_u1", _flip(12)),
    ("summary-weight", "a weight of the second RNN", "_w2", _flip(12)),
    ("second-recurrent-weight", "a recurrent weight of the second RNN", "_u2", _flip(12)),
)


def operators() -> tuple[Operator, ...]:
    """All that write into the ELF's constants."""
    found = [
        Operator(name, f"{breaks} in the ELF", EXACT, partial(_sites, name, ending, change), ("native",), 2)
        for name, breaks, ending, change in KINDS
    ]
    for name, what, ending in (("gate-table", "gate", "_gates1"), ("tanh-table", "tanh", "_tanh1")):
        breaks = f"the {what} table, a 16th lower"
        found.append(Operator(name, breaks, EXACT, partial(_table_sites, name, ending), ("native",), 1))
    return tuple(found)


def _sites(operator: str, ending: str, change: Change, subject: Subject) -> Iterator[Mutant]:
    dice = np.random.default_rng(1)
    for constant in constants(subject.graph):
        if constant.name.endswith(ending) and not _sees_padding_alone(subject.graph, constant.name):
            size = constant.values.size
            alive = np.flatnonzero(_matters(change, constant.name, constant.values))
            for index in sorted(set(dice.choice(alive, SITES).tolist())) if len(alive) else ():
                yield _mutant(operator, subject, constant.name, size, index, partial(_at, change, index))


def _sees_padding_alone(graph: q.QuantisedGraph, name: str) -> bool:
    """Whether most taps of a convolution never see anything else, on a map of a pixel or two."""
    return any(
        isinstance(layer, q.QConv) and name == f"{layer.name}_weight" and layer.kernel > 1 and layer.input.height <= 2
        for layer in graph.layers
    )


def _matters(change: Change, name: str, values: np.ndarray) -> np.ndarray:
    """Which numbers of an array the change changes, and are no padding of it."""
    if change is _swap:
        return values.ravel() != np.roll(values.ravel(), -(values.size // 2))
    return values.ravel() != 0 if name.endswith(("_w1", "_w2", "_u1", "_u2")) else np.ones(values.size, bool)


def _table_sites(operator: str, ending: str, subject: Subject) -> Iterator[Mutant]:
    for constant in constants(subject.graph):
        if constant.name.endswith(ending):
            yield _mutant(operator, subject, constant.name, constant.values.size, constant.values.size // 2, _lower)


def _lower(values: np.ndarray) -> None:
    values -= values // 16


def _at(change: Change, index: int, values: np.ndarray) -> None:
    change(values, index)


def _mutant(
    operator: str, subject: Subject, array: str, size: int, index: int, change: Callable[[np.ndarray], None]
) -> Mutant:
    diff = f"{array}[{size}] in the ELF changed at {index}: {operator}"
    layer = array.rsplit("_", 1)[0]
    return Mutant(operator, subject.name, f"{array}[{index}]", diff, partial(_attempt, array, change), layer)


def _attempt(array: str, change: Callable[[np.ndarray], None], bait: Bait) -> Outcome:
    elf = bait.workshop.copy()
    patch(elf, array, bait.workshop.subject.graph, change)
    write_hash(elf)
    return bait.run(replace(bait.workshop.firmware, elf=elf))


def patch(elf: Path, array: str, graph: q.QuantisedGraph, change: Callable[[np.ndarray], None]) -> None:
    """Change an array of constants where it lies in the file."""
    (constant,) = (c for c in constants(graph) if c.name == array)
    address = symbols(elf).address(array)
    assert address is not None, f"{array} is in the ELF"
    with elf_file(elf) as file:
        place = next(
            s["p_offset"] + address - s["p_vaddr"]
            for s in file.iter_segments("PT_LOAD")
            if s["p_vaddr"] <= address < s["p_vaddr"] + s["p_filesz"]
        )
    content = bytearray(elf.read_bytes())
    size = constant.values.nbytes
    values = np.frombuffer(content[place : place + size], constant.values.dtype).copy()
    assert np.array_equal(values, constant.values.ravel()), f"{array} lies elsewhere"
    with np.errstate(over="ignore"):
        change(values)
    content[place : place + size] = values.tobytes()
    elf.write_bytes(content)
