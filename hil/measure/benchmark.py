"""`hil bench`: what a network costs on the board, layer by layer, beside plain C of the same generated network.

Both builds run on the simulated board with the timing model in full mode, counted instruction by instruction. Goals
(what must be reached and what is aimed at) are tables of platforms/<board>/goals.toml, a section a model and compiler.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from hil.bench.session import Bench
from hil.board import Board
from hil.compiler.quantised.graph import QConv
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.firmware.toolchain import Compiler
from hil.measure.profile import ImageProfile, profile_image
from hil.reference.photo import Photo
from hil.targets import create

Step = Callable[[str, float], None]


@dataclass(frozen=True)
class LayerCost:
    """A layer's share.

    op: as in plan.json, or what a convolution is: "pointwise" (1x1), "depthwise", "depthwise/2" (stride 2).
    ram_bytes: its rows and working memory. flash_bytes: its code and constants.
    """

    name: str
    op: str
    kernel: str
    macs: int
    cycles: int
    predicted_cycles: int
    portable_cycles: int
    instructions: int
    ram_bytes: int
    flash_bytes: int

    @property
    def deviation(self) -> float:
        """By how much the prediction missed, relative to what was measured."""
        return self.predicted_cycles / self.cycles - 1 if self.cycles else 0.0


@dataclass(frozen=True)
class Goal:
    """A figure that must be reached, and a better one that is aimed at."""

    name: str
    value: float
    unit: str
    must: float
    aim: float

    @property
    def is_met(self) -> bool:
        return self.value <= self.must


@dataclass(frozen=True)
class Benchmark:
    """The figures of one image. total_*: of the inference, without the link."""

    model: str
    board: str
    layers: tuple[LayerCost, ...]
    total_cycles: int
    total_instructions: int
    portable_total_cycles: int
    ram_bytes: int
    flash_bytes: int
    compiler: Compiler | None = None
    goals: tuple[Goal, ...] = ()

    @cached_property
    def figures(self) -> dict[str, tuple[float, str]]:
        """What goals may be set for: value and unit by name."""
        return {
            "cycles.total": (self.total_cycles, "cycles"),
            "instructions.total": (self.total_instructions, "instructions"),
            "cycles_per_mac.pointwise_worst": (self._worst("pointwise"), "cycles a MAC"),
            "cycles_per_mac.depthwise_worst": (self._worst("depthwise"), "cycles a MAC"),
            "ram.total_bytes": (self.ram_bytes, "bytes"),
            "flash.total_bytes": (self.flash_bytes, "bytes"),
            "prediction.worst": (max((abs(layer.deviation) for layer in self.layers), default=0.0), "of the cycles"),
        }

    def _worst(self, op: str) -> float:
        return max((layer.cycles / layer.macs for layer in self.layers if layer.op == op), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """All figures, as bench.json's object."""
        compiler = str(self.compiler) if self.compiler else None
        return asdict(self) | {
            "compiler": compiler,
            "goals": [asdict(goal) | {"is_met": goal.is_met} for goal in self.goals],
        }


def benchmark(firmware: Firmware, portable: Firmware, photo: Photo, step: Step = lambda what, done: None) -> Benchmark:
    """Run an image through the fast and the portable build and count. Raises HilError for goals of no figure."""
    fast = profile_image(firmware, photo, "full", lambda what, done: step(f"fast kernels: {what}", done))
    plain = profile_image(portable, photo, "full", lambda what, done: step(f"portable kernels: {what}", done))
    with Bench(firmware, create("sim", firmware.board)) as bench:
        run = bench.run(photo)
    if not run.bit_exact or firmware.sizes is None or run.ram.total_bytes is None:
        raise HilError(f"{firmware.model} is not bit-exact on the simulated board: hil run shows where, bench it then")
    found = Benchmark(
        firmware.network_name,
        firmware.board.name,
        tuple(_layers(fast, plain)),
        fast.measured["total"],
        sum(_instructions(fast).values()),
        plain.measured["total"],
        run.ram.total_bytes,
        firmware.sizes.flash_bytes,
        firmware.compiler,
    )
    return replace(found, goals=tuple(_goals(firmware.board, found)))


def _layers(fast: ImageProfile, plain: ImageProfile) -> list[LayerCost]:
    plan, instructions = fast.firmware.plan, _instructions(fast)
    sizes = {function.name: function.size for function in fast.symbols.functions}
    memory: Counter[str] = Counter()
    for buffer in plan["buffers"]:
        owners = [name for name in fast.firmware.layer_names if buffer["name"].startswith(f"{name}_")]
        memory[max(owners, key=len, default="")] += buffer["bytes"]
    costs = []
    for layer in plan["layers"]:
        name = layer["name"]
        function = next(found for found in (f"{name}_part", f"{name}_step") if found in sizes)
        costs.append(
            LayerCost(
                name, _kind(fast, name) or layer["op"], layer["kernel"], layer["macs"],
                fast.measured[name], layer["predicted_cycles"], plain.measured[name], instructions[function],
                memory[name], sizes.get(function, 0) + layer["constant_bytes"],
            )
        )  # fmt: skip
    return costs


def _kind(profile: ImageProfile, name: str) -> str:
    layer = profile.firmware.graph.layer(name)
    if not isinstance(layer, QConv):
        return ""
    if layer.is_depthwise:
        return "depthwise" if layer.stride == 1 else f"depthwise/{layer.stride}"
    return "pointwise" if layer.kernel == 1 else ""


def _instructions(profile: ImageProfile) -> Counter[str]:
    """Instructions by function, of those that the inference runs; memcpy's for the link count too."""
    network = {
        frame for stack in profile.stacks if "model_push_row" in stack or "model_finish" in stack for frame in stack
    }
    counted: Counter[str] = Counter()
    for address, spent in profile.profile.by_address.items():
        name = profile.function(address)
        if name in network:
            counted[name] += spent.executions
    return counted


def ram_goal(board: Board, model: str) -> int | None:
    """A model's goal for RAM on a board, in bytes, for any compiler; None if it has none."""
    sections = [goals for name, goals in _sections(board).items() if name.partition("@")[0] == model]
    return min(
        (int(goals["ram.total_bytes"]["must"]) for goals in sections if "ram.total_bytes" in goals), default=None
    )


def _sections(board: Board) -> dict[str, dict[str, dict[str, float]]]:
    path = board.folder / "goals.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _goals(board: Board, found: Benchmark) -> list[Goal]:
    """A model's goals, and those of what its compiler makes of it ("MODEL@gcc", "MODEL@gcc-13"), which come last."""
    sections = _sections(board)
    table: dict[str, dict[str, float]] = {}
    for name in (found.model, *(f"{found.model}@{who}" for who in (found.compiler.names if found.compiler else ()))):
        table |= sections.get(name, {})
    unknown = sorted(table.keys() - found.figures.keys())
    if unknown:
        path = board.folder / "goals.toml"
        raise HilError(f"{path}: no figure is called {', '.join(unknown)}: there are {', '.join(found.figures)}")
    return [Goal(name, *found.figures[name], goal["must"], goal["aim"]) for name, goal in table.items()]
