"""From a model's name to a firmware: find, load, compile, plan, emit, build, and see that it fits."""

from __future__ import annotations

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import board as boards
from hil.board import Board
from hil.errors import HilError
from hil.files import make_folder
from hil.firmware.cmake import check_tools, compile_preset, output_folder
from hil.firmware.elf import Sizes, check_elf, sizes
from hil.firmware.model import load_model
from hil.firmware.stack import StackBound, stack_bound
from hil.paths import BUILD

if TYPE_CHECKING:
    from hil.compiler import Plan, QuantisedGraph
    from hil.reference.catalogue import Network

NATIVE = "native"
KERNELS = ("fast", "portable")


@dataclass(frozen=True)
class Firmware:
    """A built firmware with everything the host compares it with.

    model: as it was asked for; preset: of CMake, the board's name or "native"; directory: the generated one; elf: what
    runs; plan: plan.json; graph: the integer reference; network: the float model.
    """

    model: str
    board: Board
    preset: str
    directory: Path
    elf: Path
    plan: dict[str, Any]
    graph: QuantisedGraph
    network: Network

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
        return stack_bound(self.elf, usage) if not self.is_native and usage.is_dir() else None


def build(
    model: str,
    board_name: str,
    out: Path | None = None,
    preset: str | None = None,
    kernels: str = "fast",
    ram_budget: int | None = None,
) -> Firmware:
    """Make the firmware of a model for a board; what is there already and unchanged is not made again.

    model: a shipped model's name or a checkpoint's path. out: the generated directory, build/<model>/<board> without.
    preset: the CMake preset, the board's own without, "native" for the host. kernels: "fast", or
    "portable" for plain C. ram_budget: bytes of RAM on the chip that the firmware may take in all, stack and link
    included. Raises HilError, and leaves what was there before as it was, for an unknown model or board,
    a bad checkpoint, an unknown operator, a network that does not fit board or budget, and a missing compiler.
    """
    from hil.compiler import make_plan

    board = boards.load(board_name)
    preset = preset or board.name
    if kernels not in KERNELS:
        raise HilError(f"no kernels are called {kernels!r}: choose one of {', '.join(KERNELS)}")
    graph, network = load_model(model)
    directory = (out or BUILD / Path(model).stem / board.name).absolute()  # CMake runs in another folder
    scheme = make_plan(graph, board, ram_budget)
    check_tools(preset)
    with _locked(directory), _scratch(directory) as scratch:
        plan = _generate(graph, scheme, directory, preset, kernels, scratch)
    elf = output_folder(directory, preset, kernels) / ("firmware" if preset == NATIVE else "firmware.elf")
    if preset != NATIVE:
        check_elf(elf, board)
    return Firmware(model, board, preset, directory, elf, plan, graph, network)


def _generate(
    graph: QuantisedGraph, scheme: Plan, directory: Path, preset: str, kernels: str, scratch: Path
) -> dict[str, Any]:
    """Bring `directory` and its firmware up to date and return its plan; everything is made in `scratch` first."""
    from hil.compiler import emit

    fresh = scratch / "generated"
    emit(graph, scheme, scheme.board, fresh)
    plan = _read_plan(fresh)
    is_unchanged = _is_generated(directory) and _read_plan(directory)["build_id"] == plan["build_id"]
    if is_unchanged and output_folder(directory, preset, kernels).is_dir():
        return plan
    compile_preset(directory if is_unchanged else fresh, preset, plan, _subfolder(scratch, "work"), kernels)
    if not is_unchanged:
        _replace(directory, fresh, scratch / "old")
    return plan


def _subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _replace(directory: Path, fresh: Path, old: Path) -> None:
    """Put a finished directory in the place of another one; a folder that the bench did not make is left alone."""
    if directory.exists():
        if any(directory.iterdir()) and not _is_generated(directory):
            raise HilError(f"{directory} is in use: it holds files that hil build did not make; name another --out")
        directory.rename(old)
    fresh.rename(directory)


def _is_generated(directory: Path) -> bool:
    return (directory / "model" / "plan.json").exists()


def _read_plan(directory: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((directory / "model" / "plan.json").read_text(encoding="utf-8"))
    return plan


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, so that two processes do not build into the same one at once."""
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"rnnpool-hil-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A folder beside the directory, gone afterwards: what is made in it can be renamed into place."""
    make_folder(directory.parent)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as scratch:
        yield Path(scratch)
