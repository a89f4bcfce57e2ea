"""The rules of the timing model: what each says, how sure it is, where it comes from. Each can be switched off by name.

Sources: TRM is ARM's Cortex-M4 technical reference manual (100166, chapter 3.3 "Instruction set summary" and 3.3.2
"Load/store timings"); RM0090 is ST's reference manual of the STM32F405/407/42x/43x (chapter 3, embedded flash memory
interface); "fitted" means inferred from published cycle counts of hand-written kernels on a real STM32F407
(docs/timing.md). Confidence: A pinned by published measurements, B documented and consistent with them, C documented
only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from hil.errors import HilError


@dataclass(frozen=True)
class Rule:
    """A rule that can be switched off; without it an instruction simply takes one cycle, or nothing is added to it."""

    name: str
    says: str
    confidence: str
    source: str


CATALOGUE: tuple[Rule, ...] = (
    Rule("load", "LDR, VLDR.32 and LDR PC take 2 cycles", "A", "TRM 3.3.1, fitted"),
    Rule("store-register-offset", "STR with a register offset takes 2 cycles", "B", "TRM 3.3.2"),
    Rule("multiple", "LDM, POP, STM, PUSH, VLDM, VSTM of N words take 1 + N", "A", "TRM 3.3.1, fitted"),
    Rule("pair", "LDRD, STRD and VLDR.64 take 3, VSTR.64 takes 2", "A", "TRM 3.3.1, fitted"),
    Rule("unaligned", "a word at 2 mod 4 costs 1 more, at an odd address 2; an odd halfword 1", "B", "TRM 3.3.2"),
    Rule("divide", "UDIV, SDIV take 2 to 12 by the bits of their operands", "C", "TRM 3.3.1 (early termination)"),
    Rule("fp-multicycle", "VMLA, VFMA take 3, VDIV, VSQRT 14, VMOV of two registers 2", "C", "TRM 7.2.3, VMOV fitted"),
    Rule("system", "MRS and MSR take 2", "C", "TRM 3.3.1"),
    Rule("branch-refill", "a taken branch waits for its target", "A", "TRM 3.3.1 (P), fitted"),
    Rule("it-folding", "IT after a 16-bit instruction takes no cycle", "A", "TRM 3.3.1, fitted"),
    Rule(
        "load-overlap",
        "LDR directly before a single LDR or STR takes 1, unless that one's address needs it",
        "A",
        "TRM 3.3.2, fitted",
    ),
    Rule("bus-slaves", "such an overlap needs both accesses in the same bus slave", "A", "RM0090 2.1, fitted"),
    Rule("store-load", "LDR, LDRD or LDM directly behind STR waits 1", "A", "fitted"),
    Rule("write-back", "two write-back accesses in a row on the same base cost 1 more", "A", "fitted"),
    Rule("address-stall", "an address register written by the instruction before costs 1", "A", "TRM 3.3.2, fitted"),
    Rule(
        "fp-result", "an FP result used by the very next FP instruction costs 1, unless as its addend", "C", "TRM 7.2.3"
    ),
    Rule("fetch-queue", "instructions come through a queue of three words", "A", "fitted"),
    Rule(
        "late-release",
        "a word's slot frees at once only if decode moves on and no single load or store executes",
        "A",
        "fitted",
    ),
    Rule("early-target", "an immediate branch asks for its target while in decode", "A", "fitted"),
    Rule("branch-steal", "a conditional branch not taken steals one fetch", "A", "fitted"),
    Rule("wait-states", "a flash read of 128 bits takes 1 + WS cycles", "A", "RM0090 3.5.1, fitted"),
    Rule("instruction-cache", "64 lines of flash code are kept, least recently used goes", "A", "RM0090 3.5.2, fitted"),
    Rule("data-cache", "8 lines of flash data are kept, least recently used goes", "B", "RM0090 3.5.2"),
    Rule(
        "sram-fetch",
        "code in SRAM comes over the System bus: a cycle later, and not while one of its own accesses has that bus",
        "C",
        "Cortex-M3 TRM 14.5.6, taken over",
    ),
    Rule("sdram", "an access to SDRAM waits for its latency, each halfword and a row to be opened", "C", "RM0090 37.7"),
    Rule("prefetch", "the line after the one being fetched is read ahead", "A", "RM0090 3.5.2, fitted"),
)

NAMES: tuple[str, ...] = tuple(rule.name for rule in CATALOGUE)
ALL: frozenset[str] = frozenset(NAMES)
NONE: frozenset[str] = frozenset()


def without(disabled: Iterable[str]) -> frozenset[str]:
    """All rules but the named ones; "all" stands for every rule. Raises HilError for a name there is not."""
    names = set(disabled)
    if "all" in names:
        return NONE
    for name in sorted(names - ALL):
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise HilError(f"there is no timing rule {name!r}: {hint}the rules are all, {', '.join(NAMES)}")
    return ALL - names
