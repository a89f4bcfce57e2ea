"""The choice of a plan: all useful plans, from the fastest to the smallest, and the one that is taken.

Two things are to be chosen. Which chains make rows again instead of keeping them decides what is alive throughout. How
many turns a chain takes for a row, and how much scratch memory, decides what its own steps need on top, and nothing
else: so below a given peak, each chain's cheapest setting can be found on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hil.board import Board
from hil.compiler.kernels.memory import SCRATCH_BYTES
from hil.compiler.kernels.weights import hot_bytes
from hil.compiler.planning.chains import Chain, can_repeat, candidates, chain
from hil.compiler.planning.draft import Draft, Scheme, draft, load, ring_memory, step_memory
from hil.compiler.planning.plan import GUARD_BYTES, Plan, place
from hil.compiler.planning.predict import predict_in_chain
from hil.compiler.planning.schedule import Replay, nodes_of
from hil.compiler.planning.stages import choices
from hil.compiler.quantised import graph as q
from hil.errors import HilError

TURNS = (1, 2, 3, 4, 5, 6, 8, 10, 16)
SCRATCH = (SCRATCH_BYTES, 6144, 4608, 3456, 2560, 1536)
STRUCTURES = 64  # how many of them are looked at, about
LIMITS = 12  # peaks for which a structure is built at once
ENDLESS = 64 << 20  # bytes of SRAM that any network fits
APART = 0.004  # by which share of the chains' cycles two plans differ at least


@dataclass(frozen=True)
class _Setting:
    """A chain with its cost. steps: bytes that it needs while each of its layers runs, besides what is alive anyway."""

    chain: Chain
    cycles: int
    steps: np.ndarray


class _Runs:
    """The runs of layers that can be chains, each in all settings."""

    def __init__(self, graph: q.QuantisedGraph, whole: frozenset[str]) -> None:
        self.graph, self.whole = graph, whole
        self.runs = candidates(graph, whole)
        self._settings: dict[tuple[int, bool], list[_Setting]] = {}

    def settings(self, number: int, is_again: bool) -> list[_Setting]:
        """Every setting of a run that no other one beats."""
        if (number, is_again) not in self._settings:
            run = self.runs[number]
            turns = [t for t in TURNS if 2 * t <= run[-1].output.width + 2] if len(run) > 1 else [1]
            found = [_setting(chain(run, t, is_again, scratch)) for t in turns or [1] for scratch in SCRATCH]
            found.sort(key=lambda s: (s.cycles, s.steps.max()))
            kept: list[_Setting] = []
            for setting in found:
                if not any(np.all(other.steps <= setting.steps) for other in kept):
                    kept.append(setting)
            self._settings[number, is_again] = kept
        return self._settings[number, is_again]

    @cached_property
    def repeatable(self) -> list[int]:
        """The runs that can make rows again."""
        return [number for number, run in enumerate(self.runs) if can_repeat(run)]

    def scheme(self, settings: list[_Setting]) -> Scheme:
        return Scheme(tuple(s.chain for s in settings), self.whole)


def _setting(chain: Chain) -> _Setting:
    steps = np.zeros(len(chain.layers))
    for _, size, first, last in step_memory(chain):
        steps[first : last + 1] += size
    return _Setting(chain, sum(predict_in_chain(chain, i) for i in range(len(chain.layers))), steps)


class _Structure:
    """The runs with those of `again` making rows again: what is alive at which moment is settled."""

    def __init__(self, runs: _Runs, again: frozenset[int]) -> None:
        self.runs, self.again = runs, again
        self.settings = [runs.settings(number, number in again) for number in range(len(runs.runs))]

    @cached_property
    def replay(self) -> Replay:
        scheme = self.runs.scheme([settings[0] for settings in self.settings])
        return Replay(self.runs.graph.input, nodes_of(self.runs.graph, scheme.chains, scheme.whole))

    @cached_property
    def lasting(self) -> np.ndarray:
        """Bytes that hold something at each moment, without what chains need for their steps alone."""
        one = self.draft([settings[0] for settings in self.settings])
        steps = {name for settings in self.settings for name, *_ in step_memory(settings[0].chain)}
        return load(buffer for buffer in one.wanted if buffer.name not in steps)

    @cached_property
    def peaks(self) -> list[list[float]]:
        """For each run and each of its settings the most bytes that hold something while it runs."""
        numbers = {node.name: number for number, node in enumerate(self.replay.nodes)}
        peaks = []
        for settings in self.settings:
            times = np.array(self.replay.times[numbers[settings[0].chain.name]])
            below = np.array([self.lasting[times + i].max() for i in range(len(settings[0].steps))])
            peaks.append([float((below + setting.steps).max()) for setting in settings])
        return peaks

    @property
    def lowest(self) -> float:
        """The lowest peak that can be reached."""
        return max(float(self.lasting.max()), *(min(peaks) for peaks in self.peaks))

    def draft(self, settings: list[_Setting]) -> Draft:
        return draft(self.runs.graph, self.runs.scheme(settings), self.replay)

    def cheapest(self, limit: float) -> list[_Setting]:
        """For each run the setting with the fewest cycles that stays within a peak, which can be reached."""
        return [
            next(setting for setting, peak in zip(settings, peaks, strict=True) if peak <= limit)
            for settings, peaks in zip(self.settings, self.peaks, strict=True)
        ]

    def ways(self) -> Iterator[_Way]:
        """Every choice of settings that no other one of this structure beats."""
        limits = {max(peak, self.lowest) for peaks in self.peaks for peak in peaks}
        for limit in sorted(limits):
            settings = self.cheapest(limit)
            yield _Way(limit, sum(setting.cycles for setting in settings), self, settings)


@dataclass(frozen=True)
class _Way:
    """A setting for each run, with the peak that it stays below and the cycles of all."""

    peak: float
    cycles: int
    structure: _Structure
    settings: list[_Setting]


def frontier(graph: q.QuantisedGraph, board: Board) -> list[Plan]:
    """The plans worth choosing from that fit a board, the fastest first, each smaller than the one before.

    Raises HilError that says by how many bytes, and because of which buffer, the smallest does not fit.
    """
    return placed(drafts(graph), board)


def drafts(graph: q.QuantisedGraph) -> list[Draft]:
    """The schedules worth placing on a board, whichever it is: the one without chains, then ever smaller peaks."""
    runs = _Runs(graph, _best_stages(graph))
    ways = _ways(runs)
    found = [draft(graph, Scheme(whole=runs.whole))]  # every layer on its own
    cycles, least = 0.0, min(way.peak for way in ways)
    for way in _front(ways):
        if way.cycles >= cycles * (1 + APART) or way.peak == least:
            found.append(way.structure.draft(way.settings))
            cycles = way.cycles
    return found


def _ways(runs: _Runs) -> list[_Way]:
    """The ways of all structures that were looked at.

    From where no run makes rows again, from where all do, and from some that are in between (_built), to ever more
    structures: those that are best at some peak with one run the other way round.
    """
    structures: dict[frozenset[int], list[_Way]] = {}
    wanted = _built(runs)
    while wanted and len(structures) < STRUCTURES:
        for again in sorted(wanted, key=sorted):
            structures[again] = list(_Structure(runs, again).ways())
        best = {way.structure.again for way in _front([way for ways in structures.values() for way in ways])}
        wanted = {again ^ {run} for again in best for run in runs.repeatable} - structures.keys()
    return [way for ways in structures.values() for way in ways]


def _built(runs: _Runs) -> set[frozenset[int]]:
    """Runs to make rows again: none, all, and for some peaks between those of these two all that have to."""
    none, every = _Structure(runs, frozenset()), _Structure(runs, frozenset(runs.repeatable))
    limits = np.linspace(every.lowest, none.lowest, LIMITS)
    return {none.again, every.again, *(_forced(every, none, limit) for limit in limits)}


def _forced(every: _Structure, none: _Structure, limit: float) -> frozenset[int]:
    """The runs that have to make rows again for a peak, about: of all runs, those whose rows find no room below it.

    The one that gains most keeps its rows first. What another run's rows need less of their input is left out.
    """
    smallest = every.draft([settings[-1] for settings in every.settings])
    alive, again = load(smallest.wanted), set(every.again)
    numbers = {node.name: number for number, node in enumerate(smallest.nodes)}

    def gain(run: int) -> int:
        return every.settings[run][0].cycles - none.settings[run][0].cycles

    for run in sorted(every.again, key=gain, reverse=True):
        kept = none.settings[run][0].chain
        rows = max(size for name, size, _ in ring_memory(kept, smallest.pitch) if name == f"{kept.layers[0].name}_rows")
        more = alive + rows * smallest.replay.span(numbers[kept.name])
        if more.max() <= limit:
            alive = more
            again.remove(run)
    return frozenset(again)


def _front(ways: list[_Way]) -> list[_Way]:
    """The ways that no other one beats, the fastest first."""
    front: list[_Way] = []
    for way in sorted(ways, key=lambda way: (way.cycles, way.peak)):
        if not front or way.peak < front[-1].peak:
            front.append(way)
    return front


def placed(found: list[Draft], board: Board) -> list[Plan]:
    """The plans of drafts that fit a board, each smaller than the one before. Raises HilError where none does."""
    plans: list[Plan] = []
    complaint: HilError | None = None
    for one in found:
        try:
            plan = place(one, board)
        except HilError as error:
            complaint = error
        else:
            if not plans or plan.size < plans[-1].size:
                plans.append(plan)
    if not plans:
        raise HilError(
            f"{complaint}, and the schedule that needs least of it {missing_bytes(found, board)} bytes in all; "
            "use a smaller network or a board with more RAM"
        )
    return plans


def missing_bytes(found: list[Draft], board: Board) -> int:
    """How much larger the SRAM would have to be for the draft that needs the least of it, in bytes."""
    bank, elsewhere = board.sram_banks[-1], board.ccm.bytes if board.ccm else 0
    roomy = replace(board, memory=board.memory | {bank.name: replace(bank, bytes=bank.bytes + ENDLESS)})
    least = ENDLESS
    for peak, one in sorted(((int(load(one.wanted).max()), one) for one in found), key=lambda pair: pair[0]):
        if peak - elsewhere >= least:
            break
        least = min(least, place(one, roomy).arenas.get("sram", 0))
    return least + GUARD_BYTES + hot_bytes(found[0].graph) + board.sram_reserved - board.sram.bytes


def _best_stages(graph: q.QuantisedGraph) -> frozenset[str]:
    """The maps to make whole (hil.compiler.planning.stages) that leave the lowest peak."""
    found = choices(graph)
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda whole: _Structure(_Runs(graph, whole), frozenset()).lowest)


def make_plan(graph: q.QuantisedGraph, board: Board, budget: int | None = None) -> Plan:
    """The plan of a graph on a board.

    budget: bytes of RAM on the chip that the whole firmware may take; the fastest plan within it is taken. Without, the
    one with the best rank (Plan.rank) among those that fit. Raises HilError that says by how many bytes, and because
    of which buffer, a network does not fit the board, and which budget is the smallest that works.
    """
    return choose(frontier(graph, board), graph, budget)


def choose(plans: list[Plan], graph: q.QuantisedGraph, budget: int | None = None) -> Plan:
    """The plan of a frontier that make_plan takes. Raises HilError where none keeps to the budget."""
    if budget is None:
        return min(plans, key=lambda plan: plan.rank)
    within = [plan for plan in plans if plan.ram_bytes <= budget]
    if within:  # predictions know only some of the SDRAM's waits, so a plan on the chip goes first
        return min(within, key=lambda plan: "sdram" in plan.arenas)
    smallest = min(plans, key=lambda plan: plan.ram_bytes)
    raise HilError(
        f"no schedule of {graph.model} on {smallest.board.name} gets by with {budget} bytes of RAM: the smallest takes "
        f"{smallest.ram_bytes}, and is bound by what is alive while {smallest.binding} runs"
    )
