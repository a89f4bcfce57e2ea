"""From a model's name to a firmware: find, load, compile, plan, emit, build, and see that it fits."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import board as boards
from hil import zoo
from hil.board import Board
from hil.errors import HilError
from hil.files import writing_below
from hil.firmware import kept
from hil.firmware.cmake import NATIVE, Tools, compile_preset, find_tools, output_folder
from hil.firmware.elf import Sizes, check_elf, sizes
from hil.firmware.planned import planned
from hil.firmware.scratch import beside, plain_folder
from hil.firmware.stack import StackBound, stack_bound
from hil.firmware.toolchain import STAMP, Compiler, compiler_of
from hil.locks import held
from hil.paths import BUILD

if TYPE_CHECKING:
    from hil.compiler import Plan, QuantisedGraph
    from hil.reference.catalogue import Network

KERNELS = ("fast", "portable")


@dataclass(frozen=True)
class Firmware:
    """A built firmware with everything the host compares it with.

    model: as it was asked for; preset: of CMake, the board's name or "native"; directory: the generated one; elf: what
    runs; plan: plan.json; graph: the integer reference.
    """

    model: str
    board: Board
    preset: str
    directory: Path
    elf: Path
    plan: dict[str, Any]
    graph: QuantisedGraph

    @cached_property
    def network(self) -> Network:
        """The float model, read when it is asked for: torch takes two seconds to import."""
        from hil.reference import weights

        return weights.load(zoo.find(self.model))

    @property
    def build_id(self) -> str:
        return str(self.plan["build_id"])

    @property
    def network_name(self) -> str:
        """Which network it is, whatever its checkpoint is called; limits go by it."""
        return str(self.plan["model"])

    @property
    def is_native(self) -> bool:
        return self.preset == NATIVE

    @property
    def layer_names(self) -> list[str]:
        return [layer["name"] for layer in self.plan["layers"]]

    @cached_property
    def sizes(self) -> Sizes | None:
        """Bytes in the board's memories; None where the firmware runs on the host."""
        return None if self.is_native else sizes(self.elf, self.board)

    @cached_property
    def stack_bound(self) -> StackBound | None:
        """The static bound on the stack; None on the host, and for an ELF whose .su files are not beside it."""
        usage = self.elf.parent / "stack_usage"
        return stack_bound(self.elf, usage) if not self.is_native and any(usage.glob("*.su")) else None

    @cached_property
    def compiler(self) -> Compiler | None:
        """Who made the ELF, as far as it says."""
        return compiler_of(self.elf)


def build(
    model: str,
    board_name: str,
    out: Path | None = None,
    preset: str | None = None,
    kernels: str = "fast",
    ram_budget: int | None = None,
    toolchain: str | None = None,
) -> Firmware:
    """Make the firmware of a model for a board; what is there already and unchanged is not made again.

    model: a shipped model's name or a checkpoint's path. out: the generated directory, build/<model>/<board> without.
    preset: the CMake preset, the board's own without, "native" for the host. kernels: "fast", or
    "portable" for plain C. ram_budget: bytes of RAM on the chip that the firmware may take in all, stack and link
    included. toolchain: the compiler (hil.firmware.toolchain). Raises HilError, and leaves what was there before as it
    was, for an unknown model or board, a bad checkpoint, an unknown operator, a network that does not fit board or
    budget, a missing compiler, and a directory that cannot be written.
    """
    from hil.compiler import choose

    board = boards.load(board_name)
    preset = preset or board.name
    if kernels not in KERNELS:
        raise HilError(f"no kernels are called {kernels!r}: choose one of {', '.join(KERNELS)}")
    graph, plans = planned(model, board)
    scheme = choose(plans, graph, ram_budget)
    tools = find_tools(preset, toolchain)
    directory = out or BUILD / Path(model).stem / board.name
    with writing_below(directory):
        directory = directory.absolute()
        with held(f"the build in {directory.resolve()}"), plain_folder() as work:
            plan = _generate(graph, scheme, directory, tools, kernels, work)
    built = output_folder(directory, preset, kernels, tools.toolchain.family)
    elf = built / ("firmware" if preset == NATIVE else "firmware.elf")
    if preset != NATIVE:
        check_elf(elf, board)
    return Firmware(model, board, preset, directory, elf, plan, graph)


def _generate(
    graph: QuantisedGraph, scheme: Plan, directory: Path, tools: Tools, kernels: str, work: Path
) -> dict[str, Any]:
    """Bring `directory` and its firmware up to date and return its plan; everything is made in `work` first."""
    from hil.compiler import emit

    if directory.exists() and any(directory.iterdir()) and not _is_generated(directory):
        raise HilError(f"{directory} is in use: it holds files that hil build did not make; name another --out")
    fresh = work / "generated"
    emit(graph, scheme, scheme.board, fresh)
    plan = _read_plan(fresh)
    is_unchanged = _is_generated(directory) and _build_id(directory) == plan["build_id"]
    preset, compiler = tools.preset, tools.toolchain.compiler
    made, place = (output_folder(folder, preset, kernels, compiler.family) for folder in (fresh, directory))
    if is_unchanged and _has_firmware(place, compiler):
        return plan
    key = kept.key_of(f"{plan['build_id']} {compiler}", preset, kernels, str(tools.toolchain.program))
    if not kept.take(key, made):
        (work / "cmake").mkdir()
        compile_preset(fresh, preset, plan, work / "cmake", kernels, tools)
        kept.keep(key, made)
    _replace(*((place, made) if is_unchanged else (directory, fresh)))
    return plan


def _replace(directory: Path, fresh: Path) -> None:
    """Put a finished directory in the place of another one, or of none, by renaming."""
    with beside(directory) as scratch:
        shutil.move(fresh, scratch / "new")
        if directory.exists():
            directory.rename(scratch / "old")
        (scratch / "new").rename(directory)


def _has_firmware(folder: Path, compiler: Compiler) -> bool:
    """Whether a firmware is there, made by this compiler in this version."""
    stamp = folder / STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8", errors="replace").strip() != str(compiler):
        return False
    return any((folder / name).is_file() for name in ("firmware.elf", "firmware"))


def _is_generated(directory: Path) -> bool:
    return (directory / "model" / "plan.json").exists()


def _build_id(directory: Path) -> str | None:
    """Of a generated directory; None where its plan is damaged."""
    try:
        return str(_read_plan(directory)["build_id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _read_plan(directory: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((directory / "model" / "plan.json").read_text(encoding="utf-8"))
    return plan
