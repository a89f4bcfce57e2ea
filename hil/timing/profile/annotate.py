"""The hottest blocks as text: each instruction with what it cost, which rule made it cost more than one cycle, and why.

1. rnnpool_step+0x1a0 (fastgrnn.h:131): 11.1 % of all cycles, 76 440 times 180.0 cycles for 162 instructions
     address   cycles  instruction              why it is not 1
   fastgrnn.h:131  |  sum = __SMLAD(w[0], x, sum);
    0800a25c     2.00  ldr.w r6, [r8]           +1 address-stall: r8 was written by the instruction before
    0800a260     2.00  ldr.w r7, [r8, #4]       +1 load: not overlapped, the next is no single load or store
   lost: 31.0 cycles: load 15.0, branch-refill 0.9
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from hil.timing.profile.profiler import OVERLAPPED, Profile, Spent
from hil.timing.statement.instruction import FIRST_S_REGISTER, Instruction, Kind
from hil.timing.statement.pipeline import SINGLE

_CORE_NAMES = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc"]
_FROM = 0.005  # a share of a cycle too small to show


@dataclass(frozen=True)
class Code:
    """What is known of the program.

    decode(address); name(address): "conv+0x12"; line(address): "conv.c:42"; source(line): the text of that line. None
    where it is not known.
    """

    decode: Callable[[int], Instruction]
    name: Callable[[int], str]
    line: Callable[[int], str | None] = lambda address: None
    source: Callable[[str], str | None] = lambda line: None


def hottest(profile: Profile, count: int) -> list[tuple[int, int]]:
    """The blocks, start and end, whose instructions took the most cycles; one block within another is left out."""
    addresses = sorted(profile.by_address)
    sums = [0, *accumulate(profile.by_address[address].cycles for address in addresses)]

    def cycles(block: tuple[int, int]) -> int:
        return sums[bisect_left(addresses, block[1])] - sums[bisect_left(addresses, block[0])]

    found: list[tuple[int, int]] = []
    for start, end in sorted(profile.blocks, key=lambda block: (-cycles(block), block)):
        if not any(start < other_end and other < end for other, other_end in found):
            found.append((start, end))
        if len(found) == count:
            break
    return found


def annotate(profile: Profile, code: Code, count: int = 10) -> str:
    """The `count` hottest blocks, one below the other."""
    blocks = hottest(profile, count)
    return "\n".join(
        line
        for number, (start, end) in enumerate(blocks, 1)
        for line in [*_block(profile, code, number, start, end), ""]
    )


def _block(profile: Profile, code: Code, number: int, start: int, end: int) -> Iterator[str]:
    instructions = list(_instructions(code, start, end))
    spent = [profile.by_address.get(one.address, Spent()) for one in instructions]
    cycles, times = sum(one.cycles for one in spent), max(one.executions for one in spent)
    share = 100 * cycles / max(1, profile.cycles)
    line = code.line(start)
    yield (
        f"{number}. {code.name(start)}{f' ({line})' if line else ''}: {share:.1f} % of all cycles, "
        f"{_spaced(times)} times {cycles / max(1, times):.1f} cycles for {len(instructions)} instructions"
    )
    yield "     address   cycles  instruction                              why it is not 1"
    shown = None
    lost: Counter[str] = Counter()
    for k, (instruction, one) in enumerate(zip(instructions, spent, strict=True)):
        line = code.line(instruction.address)
        if line != shown and line is not None:
            yield f"   {line}  |  {(code.source(line) or '').strip()}".rstrip()
            shown = line
        before = instructions[k - 1] if k else None
        after = instructions[k + 1] if k + 1 < len(instructions) else None
        reasons = "; ".join(_words(instruction, one, before, after)) if one.executions else "not executed"
        each = one.cycles / one.executions if one.executions else 0.0
        yield f"    {instruction.address:08x}  {each:7.2f}  {instruction.text:<40} {reasons}".rstrip()
        lost.update(_lost(one, times))
    yield f"   lost: {_total(lost)}"


def _instructions(code: Code, start: int, end: int) -> Iterator[Instruction]:
    while start < end:
        instruction = code.decode(start)
        yield instruction
        start = instruction.end


def _words(
    instruction: Instruction, spent: Spent, before: Instruction | None, after: Instruction | None
) -> Iterator[str]:
    """Each rule's part in an instruction's cost, with the reason."""
    each = {rule: cycles / spent.executions for rule, cycles in spent.reasons.items()}
    overlapped = each.pop(OVERLAPPED, 0.0)
    if overlapped < 0 and "load" in each:
        each["load"] += overlapped
        if each["load"] < _FROM:
            yield "overlaps with the next access" if after else "overlaps with the block's successor"
    elif overlapped < 0:
        yield f"{overlapped:+.3g} {OVERLAPPED}: the load before the block got shorter"
    for rule, cycles in each.items():
        if abs(cycles) >= _FROM:
            yield f"{cycles:+.3g} {rule}: {_why(rule, instruction, before, after)}"


def _why(rule: str, instruction: Instruction, before: Instruction | None, after: Instruction | None) -> str:
    """A rule's reason in terms of the neighbours."""
    if rule == "load":
        return _why_not_overlapped(instruction, after)
    if rule == "address-stall" and before is not None:
        return f"{_registers(before.late_writes & instruction.address_registers)} was written by the instruction before"
    if rule == "fp-result" and before is not None:
        return f"{_registers(before.writes & instruction.reads)} was computed by the instruction before"
    return _WHY.get(rule, "")


_WHY = {
    "multiple": "a cycle a word",
    "pair": "a cycle a word",
    "store-register-offset": "STR with a register offset: an immediate one takes 1",
    "unaligned": "the address is not aligned",
    "divide": "by its operands",
    "fp-multicycle": "the FPU computes that long",
    "system": "a special register",
    "it-folding": "IT behind a 16-bit instruction is free",
    "address-stall": "the address was written by the instruction before the block",
    "fp-result": "an operand was computed by the instruction before the block",
    "store-load": "the store just before still has the bus: put another instruction between",
    "write-back": "the access before wrote the same base register back",
    "branch-refill": "the fetch of a branch's target (a 32-bit one at 2 mod 4 takes 1 more)",
    "fetch-queue": "the queue ran dry: 32-bit instructions in a row behind loads, stores or 2-cycle ones",
    "wait-states": "the flash line was not in the instruction cache",
    "data-cache": "the flash line of the data was not in the data cache",
    "sdram": "SDRAM: its latency, each halfword, another row to be opened",
}


def _why_not_overlapped(load: Instruction, after: Instruction | None) -> str:
    """Why a load took its second cycle."""
    if load.kind is not Kind.LOAD:
        return "it loads the PC"
    if after is None:
        return "the block ends"
    if after.kind not in SINGLE:
        return "the next is no single load or store to overlap with"
    if load.loaded & after.address_registers:
        return f"the next one's address needs {_registers(load.loaded)}"
    return "the next access goes to another bus slave, or not always to the same"


def _registers(mask: int) -> str:
    names = [name for n, name in enumerate(_CORE_NAMES) if mask >> n & 1]
    names += [f"s{n}" for n in range(32) if mask >> (FIRST_S_REGISTER + n) & 1]
    return ", ".join(names) or "its register"


def _lost(spent: Spent, times: int) -> Counter[str]:
    """Cycles beyond one an instruction, by rule, for one time through the block."""
    lost = Counter({rule: cycles / max(1, times) for rule, cycles in spent.reasons.items()})
    if OVERLAPPED in lost and "load" in lost:
        lost["load"] += lost.pop(OVERLAPPED)
    return lost


def _total(lost: Counter[str]) -> str:
    parts = [f"{rule} {cycles:.1f}" for rule, cycles in lost.most_common() if abs(cycles) >= _FROM]
    return f"{sum(lost.values()):.1f} cycles a time: {', '.join(parts)}" if parts else "nothing"


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
