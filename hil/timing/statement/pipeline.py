"""The pipeline, one instruction at a time: the readable statement of the rules.

Three stages: fetch (hil.timing.statement.fetch), decode, execute. The simulated board runs on the compiled twin of this
file (hil.timing.compiled.pipeline); tests hold the two equal, cycle by cycle. Each rule is named where it applies;
hil.timing.statement.rules says where it comes from.
"""

from __future__ import annotations

from hil.board.figures import DOCUMENTED, Figures
from hil.timing.statement import rules as catalogue
from hil.timing.statement.costs import base_cost, divide_cost, magnitude, unaligned_cost
from hil.timing.statement.fetch import LATENCY, FetchQueue, is_in_sram
from hil.timing.statement.flash import Flash, FlashSettings
from hil.timing.statement.instruction import IMMEDIATE_BRANCHES, Executed, Instruction, Kind
from hil.timing.statement.sdram import Sdram, is_sdram

SINGLE = (Kind.LOAD, Kind.STORE)
LOADS = (Kind.LOAD, Kind.LOAD_PC, Kind.LOAD_PAIR, Kind.LOAD_MULTIPLE)
STORES_BUFFERED = (Kind.STORE, Kind.STORE_PAIR)
ACCESSES = (*LOADS, *STORES_BUFFERED, Kind.STORE_MULTIPLE)
WRITES_LATE = (Kind.ALU, Kind.DIVIDE, Kind.FP_MOVE)
FIRST_ON_SYSTEM_BUS = 2  # slaves from SRAM1 on
FP_COMPUTES = (Kind.FP_ARITHMETIC, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE)
LOADS_PC = (Kind.LOAD_MULTIPLE, Kind.LOAD_PC, Kind.TABLE_BRANCH)
# Refill of a taken branch when the fetch queue is not modelled: TRM 3.3.1, P = 1 to 3.
_FIXED_REFILL_IMMEDIATE, _FIXED_REFILL_REGISTER, _FIXED_REFILL_LOAD = 1, 2, 3


BANKS = 0x2001_C000, 0x2002_0000  # where SRAM1 and SRAM2 of an F407 end: each bank is a slave of its own


def slave(address: int, banks: tuple[int, int] = BANKS) -> int:
    """Which slave of the bus matrix an address belongs to (RM0090 2.1): flash, CCM, SRAM1, SRAM2, the rest, SDRAM."""
    if is_sdram(address):
        return 5
    for number, end in enumerate((0x1000_0000, 0x2000_0000, *banks)):
        if address < end:
            return number
    return 4


def takes_system_bus(instruction: Instruction) -> bool:
    """Whether an access may be in the way of the fetch of the code around it."""
    return instruction.kind in ACCESSES and is_in_sram(instruction.address)


def _same_slave(one: int | None, other: int | None, banks: tuple[int, int]) -> bool:
    return one is None or other is None or slave(one, banks) == slave(other, banks)


class Pipeline:
    """Adds up cycles as instructions are pushed through it."""

    def __init__(
        self,
        rules: frozenset[str] = catalogue.ALL,
        flash: FlashSettings | None = None,
        figures: Figures = DOCUMENTED,
        banks: tuple[int, int] = BANKS,
    ) -> None:
        self.rules, self.figures, self.banks = rules, figures, banks
        self.flash = Flash((flash or FlashSettings()).under(rules))
        self.sdram = Sdram(figures)
        self._fetch = FetchQueue(self.flash, "sram-fetch" in rules)
        self._cycle = 0  # the next instruction may execute from here on
        self.start(0)

    @property
    def cycle(self) -> int:
        """The first cycle in which the next instruction may execute, if the last one is not overlapped."""
        return self._cycle

    def start(self, address: int) -> None:
        """Arrive at an address with an empty pipeline: without waits its instruction executes in the current cycle."""
        self._last_executed = self._cycle - 1
        self._previous: Executed | None = None
        self._fetch.release_bus()
        self._overlaps: Executed | None = None  # a load that waits for its successor to know whether it overlaps
        self._fetch.restart(address, self._cycle - 1 - LATENCY)

    def arrival(self) -> int:
        """The cycle in which the target of the branch just taken executes if its fetch does not wait."""
        if "fetch-queue" not in self.rules:
            return self._cycle
        return max(self._cycle, self._fetch.requested() + LATENCY + 1)

    def execute(self, step: Executed) -> int:
        """Push an instruction through; returns the cycle in which it executes."""
        instruction = step.instruction
        self._settle_overlap(step)
        if self._is_folded(instruction):
            return self._fold(instruction)
        decoded, cycle = self._decode(instruction)
        if step.passed:
            cycle += self._stall(instruction, at_once=cycle == self._cycle)
        self._release(instruction, decoded, cycle)
        duration = self._duration(step, cycle)
        self._take_bus(step, cycle)
        self._leave(step, cycle, duration)
        self._last_executed = cycle
        return cycle

    # -- fetch and decode

    def _decode(self, instruction: Instruction) -> tuple[int, int]:
        """The cycles in which an instruction is decoded and, stalls aside, executed."""
        if "fetch-queue" not in self.rules:
            return self._cycle - 1, self._cycle
        decoded = max(
            self._fetch.ready(instruction.address), self._fetch.ready(instruction.end - 2), self._last_executed
        )
        return decoded, max(decoded + 1, self._cycle)

    def _release(self, instruction: Instruction, decoded: int, cycle: int) -> None:
        """Free the queue's slot if the instruction takes the last halfword of a word (rule late-release)."""
        if "fetch-queue" not in self.rules or instruction.end & 3 and instruction.size == 2:
            return
        after_memory = (
            self._previous is not None and self._previous.passed and self._previous.instruction.kind in SINGLE
        )
        is_late = "late-release" in self.rules and (cycle > decoded + 1 or after_memory)
        self._fetch.release(cycle if is_late else decoded)

    # -- IT

    def _is_folded(self, instruction: Instruction) -> bool:
        """Rule it-folding."""
        return (
            instruction.kind is Kind.IT
            and "it-folding" in self.rules
            and self._previous is not None
            and self._previous.instruction.size == 2
        )

    def _fold(self, instruction: Instruction) -> int:
        if "fetch-queue" in self.rules:
            self._fetch.ready(instruction.address)
            if instruction.address & 2:
                self._fetch.release(self._last_executed)
        return self._cycle

    def _take_bus(self, step: Executed, cycle: int) -> None:
        """Rule sram-fetch: an access of code in SRAM to anything but flash and CCM."""
        applies = {"sram-fetch", "bus-slaves"} <= self.rules and step.passed and takes_system_bus(step.instruction)
        address = step.data_address if applies else None
        if address is not None and slave(address, self.banks) >= FIRST_ON_SYSTEM_BUS:
            self._fetch.occupy_bus(cycle, step.instruction.words)

    # -- neighbours in execute

    def _settle_overlap(self, step: Executed) -> None:
        """Rules load-overlap and bus-slaves: the load before costs 1 if this access can follow it at once."""
        load, self._overlaps = self._overlaps, None
        if load is None or not step.passed or step.instruction.kind not in SINGLE:
            return
        if load.instruction.loaded & step.instruction.address_registers:
            return
        if "bus-slaves" not in self.rules or _same_slave(load.data_address, step.data_address, self.banks):
            self._cycle -= 1

    def _stall(self, instruction: Instruction, at_once: bool) -> int:
        """Cycles that execute waits for the instruction before; only one that would follow it at once does."""
        previous = self._previous
        if previous is None or not previous.passed or not at_once:
            return 0
        waits = (
            self._waits_for_address(previous.instruction, instruction)
            or self._waits_for_store(previous.instruction, instruction)
            or self._waits_for_base(previous.instruction, instruction)
            or self._waits_for_fp(previous.instruction, instruction)
        )
        return 1 if waits else 0

    def _waits_for_address(self, previous: Instruction, instruction: Instruction) -> bool:
        """Rule address-stall."""
        if "address-stall" not in self.rules or previous.kind not in WRITES_LATE:
            return False
        return bool(previous.late_writes & instruction.address_registers)

    def _waits_for_store(self, previous: Instruction, instruction: Instruction) -> bool:
        """Rule store-load: the write buffer still has the bus."""
        if "store-load" not in self.rules or previous.kind not in STORES_BUFFERED:
            return False
        return instruction.kind in LOADS

    def _waits_for_base(self, previous: Instruction, instruction: Instruction) -> bool:
        """Rule write-back."""
        if "write-back" not in self.rules or previous.kind not in SINGLE or instruction.kind not in SINGLE:
            return False
        return previous.writes_back and instruction.writes_back and previous.base == instruction.base

    def _waits_for_fp(self, previous: Instruction, instruction: Instruction) -> bool:
        """Rule fp-result: a multiply-add needs its addend late, everything else its operands at once."""
        if "fp-result" not in self.rules or previous.kind not in FP_COMPUTES or not instruction.is_fp:
            return False
        addend = instruction.writes if instruction.kind is Kind.FP_MULTIPLY_ADD else 0
        return bool(previous.writes & instruction.reads & ~addend)

    # -- execute

    def _duration(self, step: Executed, cycle: int) -> int:
        """Cycles in execute of an instruction that begins there in `cycle`."""
        instruction = step.instruction
        if not step.passed:
            return 1
        if instruction.kind is Kind.DIVIDE:
            return self._divide(step)
        duration = base_cost(instruction, self.rules, self.figures)
        if step.data_address is None or instruction.operand is None:
            return duration
        if instruction.kind in SINGLE and "unaligned" in self.rules:
            duration += unaligned_cost(step.data_address, instruction.operand.bytes, self.figures)
        if instruction.kind in ACCESSES and "sdram" in self.rules and is_sdram(step.data_address):
            duration += self.sdram.access(step.data_address, instruction.transfer_bytes, instruction.kind in LOADS)
        if instruction.kind in LOADS:
            duration += self.flash.read(step.data_address, instruction.transfer_bytes, cycle)
        return duration

    def _divide(self, step: Executed) -> int:
        if "divide" not in self.rules:
            return 1
        if step.operands is None:
            return self.figures.unknown_divide
        dividend, divisor = (magnitude(word, step.instruction.is_signed) for word in step.operands)
        return divide_cost(dividend, divisor, self.figures)

    def _leave(self, step: Executed, cycle: int, duration: int) -> None:
        """Set up what comes after an instruction that executes in `cycle` for `duration` cycles."""
        self._cycle = cycle + duration
        self._previous = step
        is_single_load = step.passed and step.instruction.kind is Kind.LOAD and step.instruction.words == 1
        if is_single_load and {"load", "load-overlap"} <= self.rules:
            self._overlaps = step
        if step.is_taken:
            self._branch(step, cycle, duration)
        elif (
            step.passed
            and step.instruction.kind is Kind.BRANCH_CONDITIONAL
            and {"fetch-queue", "branch-steal"} <= self.rules
        ):
            self._fetch.steal(cycle - 1)

    def _branch(self, step: Executed, cycle: int, duration: int) -> None:
        """Rules branch-refill and early-target: ask for the target as soon as it is known."""
        kind = step.instruction.kind
        if "branch-refill" not in self.rules:
            self._fetch.restart(step.next_address, cycle + duration - 1 - LATENCY)
        elif "fetch-queue" not in self.rules:
            self._cycle += fixed_refill(kind)
        else:
            self._fetch.restart(step.next_address, cycle + self._target_delay(kind, duration))

    def _target_delay(self, kind: Kind, duration: int) -> int:
        """Cycles from a branch's execution to the request of its target."""
        if kind in IMMEDIATE_BRANCHES:
            return -1 if "early-target" in self.rules else 0
        if kind is Kind.TABLE_BRANCH:
            return duration + 1
        return duration if kind in LOADS_PC else 0


def fixed_refill(kind: Kind) -> int:
    """Cycles that a taken branch adds to its own where the fetch queue is not modelled."""
    if kind in IMMEDIATE_BRANCHES:
        return _FIXED_REFILL_IMMEDIATE
    return _FIXED_REFILL_REGISTER if kind is Kind.BRANCH_REGISTER else _FIXED_REFILL_LOAD
