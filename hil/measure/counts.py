"""How often each function runs and what it takes, in instructions: what both emulators can count, to the last one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hil import targets
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.reference.photo import Photo
from hil.targets.renode import RenodeTarget
from hil.targets.sim import SimTarget
from hil.targets.symbols import Symbols, symbols
from hil.timing.model import ModelledCycles
from hil.timing.profile.profiler import Profiler


@dataclass
class Count:
    """Of a function: how often its first instruction ran, and the instructions that are its own."""

    calls: int = 0
    instructions: int = 0


@dataclass(frozen=True)
class Counts:
    """An image's inference, by function. target: which emulator counted."""

    target: str
    firmware: Firmware
    functions: dict[str, Count]

    @property
    def instructions(self) -> int:
        return sum(count.instructions for count in self.functions.values())

    def most(self) -> list[tuple[str, Count]]:
        """Functions, the one with most instructions first."""
        return sorted(self.functions.items(), key=lambda item: -item[1].instructions)

    def to_json(self) -> dict[str, Any]:
        """profile.json's object."""
        functions = {name: asdict(count) for name, count in self.most()}
        return {
            "model": self.firmware.model, "board": self.firmware.board.name, "build_id": self.firmware.build_id,
            "target": self.target, "instructions": self.instructions, "functions": functions,
        }  # fmt: skip


def count_image(firmware: Firmware, photo: Photo, target: str = "renode") -> Counts:
    """Run an image and count what runs, from its first byte on the link to its results. target: sim or renode.

    Raises HilError where the target cannot be had.
    """
    device = targets.create(target, firmware.board)
    table = symbols(firmware.elf)
    with Bench(firmware, device) as bench:
        if isinstance(device, RenodeTarget):
            device.count_blocks()
            bench.infer(photo.pixels)
            return Counts(target, firmware, _by_function(device.blocks(), table))
        if not isinstance(device, SimTarget) or not isinstance(device.sim.core.model, ModelledCycles):
            raise HilError(f"target {target} counts no instructions: use sim or renode")
        profiler = Profiler(device.sim.core.model.engine)
        bench.infer(photo.pixels)
        single = ((address, 1, spent.executions) for address, spent in profiler.take().by_address.items())
        return Counts(target, firmware, _by_function(single, table))


def _by_function(blocks: Iterable[tuple[int, int, int]], table: Symbols) -> dict[str, Count]:
    """blocks: address, number of instructions, times run."""
    found: defaultdict[str, Count] = defaultdict(Count)
    for address, instructions, times in blocks:
        name = table.function(address) or f"{address:#010x}"
        found[name].instructions += instructions * times
        if (table.address(name) or 0) & ~1 == address:
            found[name].calls += times
    return dict(found)
