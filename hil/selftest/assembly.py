"""Mutants of what only the board runs: kernels in its DSP's instructions, start-up, marks, the heap, the counter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from hil.compiler.kernels.loops import is_narrow
from hil.compiler.quantised import graph as q
from hil.paths import source_root
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.reports import MEMORY, TIME
from hil.selftest.sources import ANY, edited
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

FILES = ("conv_dsp.h", "conv_narrow.h", "depthwise.h", "fastgrnn_dsp.h", "fastgrnn_pixels.h")
TRAP = '"udf #0\\n\\t"'
INSTRUCTIONS: tuple[tuple[str, str, str, str], ...] = (  # name, what it breaks, pattern, replacement
    ("assembly-multiply", "a multiplication of other halves", r"\bsmlabb\b", "smlabt"),
    ("assembly-dual", "a dual multiplication crossed over", r"\bsmlad\b", "smladx"),
    ("assembly-high", "a rounding left out", r"\bsmmulr\b", "smmul"),
    ("assembly-sum", "a subtraction for a sum", r"\badd\.w\b", "sub.w"),
    ("assembly-widen", "bytes widened without their sign", r"\bsxtb16\b", "uxtb16"),
    ("assembly-rotate", "the wrong bytes of a word", r"ror #8", "ror #16"),
    ("assembly-saturate", "saturation to a bit less", r"\bssat (\w+|\" #\w+ \"), #16\b", "ssat \\1, #15"),
    ("assembly-pack", "halves packed the other way round", r"\bpkhbt\b", "pkhtb"),
    ("assembly-load", "a word loaded from its neighbour", r"(ldr\.w [^\\\"]*\[r\d+), #4\]", "\\1, #8]"),
)
CLOCK, STARTUP, STACK, HEAP = (f"firmware_src/port/stm32f4/{name}.c" for name in ("clock", "startup", "stack", "heap"))
PORT: tuple[tuple[str, str, tuple[str, ...], str, str, str], ...] = (
    ("port-counter-off", "a counter that is switched off", TIME, CLOCK,
     "DWT_CTRL |= DWT_CTRL_CYCCNTENA;", "DWT_CTRL = 0;"),
    ("port-counter-frozen", "a counter that always reads the same", TIME, CLOCK,
     "    return DWT_CYCCNT;\n", "    return 7;\n"),
    ("port-counter-doubled", "a counter that counts double", TIME, CLOCK,
     "    return DWT_CYCCNT;\n", "    return DWT_CYCCNT * 2;\n"),
    ("port-stack-unpainted", "a stack that is not painted", MEMORY, STARTUP,
     "    fill(_stack_limit, used, STACK_PAINT);\n", ""),
    ("port-stack-word-short", "a stack mark a word short", MEMORY, STACK,
     "return (uint32_t)((const uint8_t *)_stack_top - (const uint8_t *)word);",
     "return (uint32_t)((const uint8_t *)_stack_top - (const uint8_t *)word) - 4;"),
    ("port-heap-uncounted", "a heap that is used and not counted", MEMORY, HEAP, "    return heap_most;",
     "    for (int i = 0; i < 64; i++)\n        ((volatile uint8_t *)_heap_start)[i] = 0x77;\n"
     "    return heap_most;"),
)  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that need the board's own build."""
    found = [
        Operator(name, f"{breaks}, in the board's kernels", ANY, partial(_sites, name, pattern, new), ("board",), 2)
        for name, breaks, pattern, new in INSTRUCTIONS
    ]
    for name, breaks, expected, file, old, new in PORT:
        sites = partial(_port_sites, name, file, old, new)
        found.append(Operator(name, breaks, expected, sites, ("board",), 1))
    return tuple(found)


def _sites(operator: str, pattern: str, new: str, subject: Subject) -> Iterator[Mutant]:
    for name in FILES:
        path = f"firmware_src/kernels/{name}"
        lines = (source_root() / path).read_text().split("\n")
        for number, line in enumerate(lines):
            if not _runs(name, lines[:number], subject):
                continue
            for match in re.finditer(pattern, line):
                changed = line[: match.start()] + match.expand(new) + line[match.end() :]
                yield edited(operator, subject, path, lines, number, changed, match.start(), TRAP)


def _runs(name: str, above: list[str], subject: Subject) -> bool:
    """Whether a line's loop is one that the subject's layers take."""
    if name == "conv_narrow.h":
        return any(isinstance(layer, q.QConv) and is_narrow(layer) for layer in subject.graph.layers)
    if name == "fastgrnn_pixels.h":
        is_wide = any("round_groups(const" in line for line in above)
        pools = [layer for layer in subject.graph.layers if isinstance(layer, q.QPool)]
        channels = [pool.input.channels for pool in pools]
        return any(n % 4 == 0 and n > 4 if is_wide else n in (3, 4) for n in channels)
    return True


def _port_sites(operator: str, file: str, old: str, new: str, subject: Subject) -> Iterator[Mutant]:
    diff = f"{file}\n-{old}\n+{new}"
    yield Mutant(operator, subject.name, file.rsplit("/", 1)[-1], diff, partial(_attempt, file, old, new))


def _attempt(file: str, old: str, new: str, bait: Bait) -> Outcome:
    text = bait.workshop.text(file)
    if old not in text:
        raise LookupError(f"{file} no longer has {old!r}: mend hil/selftest/assembly.py")
    return bait.run(bait.workshop.changed({file: text.replace(old, new, 1)}))
