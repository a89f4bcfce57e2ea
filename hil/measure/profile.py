"""`hil profile`: where an inference's cycles go, by layer, function, source line and instruction.

Everything is counted, nothing sampled: the sums over layers, functions, lines and stacks are the same number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hil import targets
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.reference.photo import Photo
from hil.targets.sim import SimTarget
from hil.targets.symbols import Symbols
from hil.timing.compiled.engine import Engine
from hil.timing.model import ModelledCycles
from hil.timing.profile.annotate import Code, annotate
from hil.timing.profile.profiler import OVERLAPPED, Profile, Profiler

Stack = tuple[str, ...]  # names of functions, outermost first

_FUNCTIONS = ("_part", "_step")  # how the compiler names a layer's function, of a chain or of its own
_DECODE = "decode"  # boxes of anchors: boxes0_step, ..., detect_finish
_NETWORK = ("model_begin", "model_push_row", "model_finish")
SCHEDULE, LINK = "schedule", "link"


@dataclass(frozen=True)
class ImageProfile:
    """An image's inference.

    measured: cycles of each layer, of "decode" and of the "total" as the firmware's own reads of CYCCNT say. elapsed:
    cycles on the board from before to after, sleep and exceptions included.
    """

    firmware: Firmware
    mode: str
    profile: Profile
    measured: dict[str, int]
    elapsed: int
    engine: Engine
    symbols: Symbols

    @cached_property
    def stacks(self) -> Counter[Stack]:
        """Cycles by chain of functions, the innermost frame being the source line where a block begins."""
        return merged((self._frames(chain), cycles) for chain, cycles in self.profile.by_chain.items())

    @cached_property
    def layers(self) -> dict[str, int]:
        """Cycles in each layer's function and what it calls, decoding, the schedule between them, the link."""
        found: Counter[str] = Counter()
        for stack, cycles in self.stacks.items():
            found[self._part(stack)] += cycles
        order = [*self.firmware.layer_names, _DECODE, SCHEDULE, LINK]
        return {name: found[name] for name in order}

    @cached_property
    def functions(self) -> Counter[str]:
        """Cycles in each function itself, inlined ones included, called ones not."""
        return self._by(self.function)

    @cached_property
    def lines(self) -> Counter[str]:
        """Cycles of each source line's instructions."""
        return self._by(lambda address: self.symbols.line(address) or "?")

    @cached_property
    def rules(self) -> Counter[str]:
        """Cycles beyond one an instruction, by the rule that cost them; "load" without the loads that overlap."""
        total: Counter[str] = Counter()
        for spent in self.profile.by_address.values():
            total.update(spent.reasons)
        total["load"] += total.pop(OVERLAPPED, 0)
        return total

    @cached_property
    def stalls(self) -> dict[str, Counter[str]]:
        """The same by function."""
        total: dict[str, Counter[str]] = defaultdict(Counter)
        for address, spent in self.profile.by_address.items():
            total[self.function(address)].update(spent.reasons)
        for reasons in total.values():
            reasons["load"] += reasons.pop(OVERLAPPED, 0)
        return total

    def annotated(self, count: int) -> str:
        """The hottest blocks, instruction by instruction."""
        code = Code(self.engine.instruction, self._place, self.symbols.line, _Sources(self.firmware.directory).text)
        return annotate(self.profile, code, count)

    def to_json(self) -> dict[str, Any]:
        """All but the annotation, as profile.json's object."""
        return {
            "model": self.firmware.model, "board": self.firmware.board.name, "build_id": self.firmware.build_id,
            "mode": self.mode, "cycles": self.profile.cycles, "elapsed_cycles": self.elapsed,
            "layers": self.layers, "measured": self.measured, "functions": dict(self.functions.most_common()),
            "lines": dict(self.lines.most_common()), "rules": dict(self.rules.most_common()),
            "stalls": {name: {rule: n for rule, n in rules.most_common() if n} for name, rules in self.stalls.items()},
            "stacks": {";".join(stack): cycles for stack, cycles in sorted(self.stacks.items())},
        }  # fmt: skip

    def function(self, address: int) -> str:
        """The function an address lies in."""
        return self.symbols.function(address) or f"{address:#010x}"

    def _by(self, key: Callable[[int], str]) -> Counter[str]:
        total: Counter[str] = Counter()
        for address, spent in self.profile.by_address.items():
            total[key(address)] += spent.cycles
        return total

    def _place(self, address: int) -> str:
        name = self.symbols.function(address)
        start = (self.symbols.address(name) or 0) & ~1 if name else 0
        return f"{name}+{address - start:#x}" if name else f"{address:#010x}"

    def _frames(self, chain: tuple[int, ...]) -> Stack:
        """Names of a chain of addresses; a function jumped to from the one before is a frame of its own."""
        *called, block = chain
        frames = [self.function(address) for address in called]
        if not frames or frames[-1] != self.function(block):
            frames.append(self.function(block))
        return (*frames, self.symbols.line(block) or "?")

    def _part(self, stack: Stack) -> str:
        for name in stack:
            layer = next((name.removesuffix(end) for end in _FUNCTIONS if name.endswith(end)), "")
            if layer in self.measured:
                return layer
            if name == "detect_finish" or layer.startswith("boxes"):
                return _DECODE
        return SCHEDULE if any(name in _NETWORK for name in stack) else LINK


class _Sources:
    """The text of source lines, from a firmware's generated directory, by file name."""

    def __init__(self, directory: Path) -> None:
        self._paths = {path.name: path for path in directory.rglob("*.[ch]")}
        self._lines: dict[str, list[str]] = {}

    def text(self, place: str) -> str | None:
        """Of "conv.h:42"; None where the file is not there."""
        name, _, number = place.rpartition(":")
        if name not in self._lines:
            path = self._paths.get(name)
            self._lines[name] = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
        lines = self._lines[name]
        return lines[int(number) - 1] if number.isdecimal() and 0 < int(number) <= len(lines) else None


def profile_image(
    firmware: Firmware, photo: Photo, mode: str = "fast", step: Callable[[str, float], None] = lambda what, done: None
) -> ImageProfile:
    """Run an image on the simulated board and count where its cycles go. mode: the timing model's."""
    target = targets.create("sim", firmware.board, timing=mode)
    with Bench(firmware, target) as bench:
        assert isinstance(target, SimTarget)
        model = target.sim.core.model
        assert isinstance(model, ModelledCycles)
        profiler, before = Profiler(model.engine), target.sim.core.now
        result = bench.client.infer(
            photo.pixels, progress=lambda taken, total: step(f"running {photo.name}", taken / total)
        )
        elapsed = target.sim.core.now - before
        profile = profiler.take()
        symbols = target.sim.image.symbols
    layers = result.layer_cycles or []
    measured = dict(zip(firmware.layer_names, layers, strict=False))
    measured |= {_DECODE: result.decode_cycles or 0, "total": result.total_cycles or 0}
    return ImageProfile(firmware, mode, profile, measured, elapsed, model.engine, symbols)


def hottest_first(counts: Counter[str], count: int) -> Iterator[tuple[str, int]]:
    """The `count` largest, and the rest under one name."""
    yield from counts.most_common(count)
    rest = sum(counts.values()) - sum(cycles for _, cycles in counts.most_common(count))
    if rest:
        yield f"{len(counts) - count} more", rest


def merged(stacks: Iterator[tuple[Stack, int]]) -> Counter[Stack]:
    """Stacks of the same names added up."""
    total: Counter[Stack] = Counter()
    for stack, cycles in stacks:
        total[stack] += cycles
    return total
