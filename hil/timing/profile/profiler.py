"""Where cycles go, exactly: every block that runs is counted, with what each of its instructions cost and why.

The model works a block out once for each combination of what its cost depends on; the profiler has it write down how it
came to its result, and counts how often each result was used, by which chain of calls. Nothing is sampled.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hil.errors import HilError
from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Engine
from hil.timing.compiled.pipeline import work_out
from hil.timing.profile import counting
from hil.timing.statement.costs import base_cost, cost_rule
from hil.timing.statement.instruction import Kind

_WORK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
_PAGE_INSTRUCTIONS = 4096 // 2
STALLS = {
    at.STALL_ADDRESS: "address-stall", at.STALL_FP: "fp-result", at.STALL_STORE: "store-load",
    at.STALL_BASE: "write-back",
}  # fmt: skip
OVERLAPPED = "load-overlap"
# what makes an execution take more or less than the base cost
_DYNAMIC = {
    Kind.DIVIDE: "divide", Kind.IT: "it-folding", Kind.LOAD: "unaligned", Kind.STORE: "unaligned",
}  # fmt: skip

Reasons = tuple[tuple[str, int], ...]  # rule and the cycles it cost (or, negative, saved) beyond the one of each


@dataclass(frozen=True, slots=True)
class Step:
    """What an instruction cost when its block was worked out. reasons: why that is not 1."""

    address: int
    cycles: int
    reasons: Reasons


@dataclass
class Spent:
    """What executions of the instruction at an address came to."""

    executions: int = 0
    cycles: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass
class Profile:
    """by_address: every instruction that ran. by_chain: cycles by chain of calls.

    A chain is the called addresses, outermost first, then the address of the block. blocks: how often the block from an
    address to another ran, for how many cycles.
    """

    by_address: dict[int, Spent] = field(default_factory=dict)
    by_chain: Counter[tuple[int, ...]] = field(default_factory=Counter)
    blocks: dict[tuple[int, int], Spent] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """All that instructions took; sleep and exception entry are not in it."""
        return sum(spent.cycles for spent in self.by_address.values())


class Profiler:
    """Switches an engine's counting on, from now until take()."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._profile = Profile()
        self._steps: dict[int, tuple[Step, ...]] = {}  # by exit
        self._table = np.zeros(counting.TABLE_WORDS, np.int64)
        self._table[counting.CONTEXT_COUNT] = 1  # number 0: called by nobody known
        self._trace = np.zeros(at.TRACE_WORDS * (_PAGE_INSTRUCTIONS + 1), np.int64)
        self._work = _WORK(self._work_out)  # kept: the arena holds its address
        m = engine.arena
        engine.forget_results()  # what was worked out before was not written down
        m[at.PROFILE], m[at.TRACE] = self._table.ctypes.data, self._trace.ctypes.data
        m[at.FN_WORK_OUT] = ctypes.cast(self._work, ctypes.c_void_p).value or 0
        m[at.FN_COUNT] = counting.count.address
        self._before_forgetting = engine.before_forgetting
        engine.before_forgetting = self._before_forget

    def take(self) -> Profile:
        """What ran since; counting ends. Raises HilError where there was more than the table holds."""
        m, engine = self._engine.arena, self._engine
        engine.before_forgetting = self._before_forgetting
        self._harvest()
        m[at.FN_COUNT] = m[at.TRACE] = m[at.PROFILE] = 0
        m[at.FN_WORK_OUT] = work_out.address
        if self._table[counting.IS_FULL]:
            raise HilError("the profile has too many different blocks and calls for its table: profile less at once")
        return self._profile

    # -- while it runs

    def _work_out(self, next_address: int, arena: int) -> None:
        """In the place of compiled.work_out: the same, and what it came to, instruction by instruction."""
        m = self._engine.arena
        work_out.ctypes(next_address, m.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)))
        exit_ = int(m[at.ARGUMENT])
        node = int(m[exit_ + at.X_NODE])
        enters_by_branch = not m[m[node + at.N_STATE] + at.S_AHEAD]
        self._steps[exit_] = tuple(self._explain(int(m[node + at.N_START]), int(m[node + at.N_END]), enters_by_branch))

    def _explain(self, start: int, end: int, enters_by_branch: bool) -> Iterator[Step]:
        rows: list[list[int]] = []
        address = start
        while address < end:
            rows.append([int(word) for word in self._trace[at.TRACE_WORDS * len(rows) :][: at.TRACE_WORDS]])
            address = self._engine.instruction(address).end
        for k, row in enumerate(rows):
            reasons = list(self._reasons(row, enters_by_branch))
            cycles = row[at.T_END] - row[at.T_TIME]
            leads = k + 1 < len(rows) and rows[k + 1][at.T_OVERLAP]
            follows = k == 0 and row[at.T_OVERLAP]  # the load that gets shorter is in the block before: count it here
            shorter = bool(leads) + bool(follows)
            if shorter:
                cycles -= shorter
                reasons.append((OVERLAPPED, -shorter))
            yield Step(row[at.T_ADDRESS], cycles, tuple(reasons))

    def _reasons(self, row: list[int], enters_by_branch: bool) -> Iterator[tuple[str, int]]:
        """Why an instruction took other than one cycle; overlaps aside."""
        fetch, stall, waits = row[at.T_CYCLE] - row[at.T_TIME], row[at.T_STALL], row[at.T_WAITS]
        if fetch:
            refill = "branch-refill" if enters_by_branch else "fetch-queue"
            yield {at.CAUSE_FLASH: "wait-states", at.CAUSE_SEQUENCE: refill}.get(row[at.T_CAUSE], "fetch-queue"), fetch
        if stall:
            yield STALLS[stall], 1
        if waits:
            yield "data-cache", waits
        beyond = row[at.T_END] - row[at.T_CYCLE] - bool(stall) - waits - 1
        instruction = self._engine.instruction(row[at.T_ADDRESS])
        base = base_cost(instruction, self._engine.rules, self._engine.figures) - 1
        if beyond and base:
            yield cost_rule(instruction) or "", base
            beyond -= base
        if beyond:
            is_sdram = row[at.T_SLAVE] == at.EXTERNAL_SLAVE
            yield "sdram" if is_sdram else _DYNAMIC.get(instruction.kind, "branch-refill"), beyond

    # -- the end

    def _before_forget(self) -> None:
        self._harvest()
        self._before_forgetting()

    def _harvest(self) -> None:
        """Add the counts to the profile and empty them: the exits they are about are about to be forgotten."""
        table = self._table
        counts = table[counting.COUNTS :].reshape(-1, 2)
        m = self._engine.arena
        for key, times in counts[counts[:, 0] != 0].tolist():
            context, exit_ = key >> counting.CONTEXT_SHIFT, key & (1 << counting.CONTEXT_SHIFT) - 1
            self._add(exit_, context, times, m)
        counts[:] = 0
        table[counting.COUNTED] = 0
        self._steps.clear()

    def _add(self, exit_: int, context: int, times: int, m: np.ndarray) -> None:
        profile, node = self._profile, int(m[exit_ + at.X_NODE])
        start, end, cycles = int(m[node + at.N_START]), int(m[node + at.N_END]), times * int(m[exit_ + at.X_CYCLES])
        profile.by_chain[(*self._chain(context), start)] += cycles
        block = profile.blocks.setdefault((start, end), Spent())
        block.executions += times
        block.cycles += cycles
        for step in self._steps[exit_]:
            spent = profile.by_address.setdefault(step.address, Spent())
            spent.executions += times
            spent.cycles += times * step.cycles
            for rule, extra in step.reasons:
                spent.reasons[rule] += times * extra

    def _chain(self, context: int) -> tuple[int, ...]:
        chain: list[int] = []
        while context:
            parent, address = (int(word) for word in self._table[counting.CONTEXTS + 2 * context :][:2])
            chain.append(address)
            context = parent
        return tuple(reversed(chain))
