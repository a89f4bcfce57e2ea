"""From a model's name to a firmware: find, load, compile, plan, emit, build, and see that it fits."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass, replace
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
from hil.firmware.flash_parts import FlashParts, flash_parts
from hil.firmware.model import operating_point
from hil.firmware.own import own_copy
from hil.firmware.planned import planned
from hil.firmware.scratch import beside, plain_folder
from hil.firmware.stack import StackBound, stack_bound
from hil.firmware.stamp import (
    HOSTS_OWN,
    Stamp,
    changed_by_hand,
    is_built,
    read_list,
    stamp_of,
    write_list,
    write_stamp,
    written_hash,
)
from hil.firmware.toolchain import Compiler, compiler_of
from hil.locks import held
from hil.paths import BUILD
from hil.targets.symbols import symbols

if TYPE_CHECKING:
    from hil.compiler import Plan, QuantisedGraph
    from hil.reference.catalogue import Network

log = logging.getLogger(__name__)

KERNELS = ("fast", "portable")


@dataclass(frozen=True)
class Firmware:
    """A built firmware with everything the host compares it with.

    model: as it was asked for; preset: of CMake, the board's name or "native"; directory: the generated one; elf: what
    runs, a copy of this process's own; place: where it lies for everybody; plan: plan.json; graph: the integer
    reference. changed: files of the directory that were changed by hand, and are in the firmware as they are;
    operating_point: the checkpoint's; given: the network, if in no checkpoint.
    """

    model: str
    board: Board
    preset: str
    directory: Path
    elf: Path
    plan: dict[str, Any]
    graph: QuantisedGraph
    changed: tuple[str, ...] = ()
    kernels: str = "fast"
    operating_point: float = 0.5
    given: Network | None = None
    place: Path | None = None
    ram_budget: int | None = None

    @cached_property
    def network(self) -> Network:
        """The float model, read when it is asked for: torch takes two seconds to import."""
        if self.given is not None:
            return self.given
        from hil.reference import weights

        return weights.load(zoo.find(self.model))

    @property
    def said_name(self) -> str:
        """What the device calls its network: as much of the name as an INFO holds. The hash tells networks apart."""
        from hil.compiler.emit import NAME_BYTES

        return str(self.plan["model"])[:NAME_BYTES]

    @property
    def shown_elf(self) -> Path:
        """The ELF where a person finds it."""
        return self.place or self.elf

    @property
    def build_id(self) -> str:
        return str(self.plan["build_id"])

    @cached_property
    def elf_hash(self) -> str:
        """What only this ELF's hello says. Raises HilError for an ELF without one, or changed since it was linked."""
        return written_hash(self.elf)

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

    @property
    def tensor_names(self) -> list[str]:
        """What is tapped and digested, the layers' outputs first."""
        return [tensor["name"] for tensor in self.plan["tensors"]]

    @property
    def has_bound(self) -> bool:
        """Whether the static bound on the stack can be known: the .su files are beside the ELF."""
        return any((self.elf.parent / "stack_usage").glob("*.su"))

    @cached_property
    def sizes(self) -> Sizes | None:
        """Bytes in the board's memories; None where the firmware runs on the host."""
        return None if self.is_native else sizes(self.elf, self.board)

    @cached_property
    def flash_parts(self) -> FlashParts | None:
        """What lies in flash, by section and function; None where the firmware runs on the host."""
        return None if self.is_native else flash_parts(self.elf, self.board)

    @cached_property
    def stack_bound(self) -> StackBound | None:
        """The static bound on the stack; None on the host, and for an ELF whose .su files are not beside it."""
        usage = self.elf.parent / "stack_usage"
        return stack_bound(self.elf, usage) if not self.is_native and self.has_bound else None

    @cached_property
    def heap_bytes(self) -> int | None:
        """What the ELF leaves for the heap; None on the host."""
        return self._between("_heap_start", "_heap_end")

    @cached_property
    def stack_room(self) -> int:
        """What the ELF leaves for the stack; the board's figure where it does not say."""
        room = self._between("_stack_limit", "_stack_top")
        return self.board.stack_bytes if room is None else room

    def _between(self, start: str, end: str) -> int | None:
        first, last = (None if self.is_native else symbols(self.elf).address(name) for name in (start, end))
        return None if first is None or last is None else last - first

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
    budget, a missing compiler, a directory that cannot be written, and changes by hand in it that building anew would
    lose.
    """
    from hil.compiler import choose

    board = boards.load(board_name)
    if kernels not in KERNELS:
        raise HilError(f"no kernels are called {kernels!r}: choose one of {', '.join(KERNELS)}")
    graph, plans = planned(model, board)
    scheme = choose(plans, graph, ram_budget)
    directory = out or BUILD / Path(model).stem / board.name
    firmware = _build(graph, scheme, directory, preset or board.name, kernels, toolchain)
    return replace(firmware, model=model, operating_point=operating_point(model), ram_budget=ram_budget)


def build_graph(
    graph: QuantisedGraph,
    network: Network,
    board: Board,
    directory: Path,
    preset: str | None = None,
    kernels: str = "fast",
) -> Firmware:
    """The same for a network that is in no checkpoint; network: the float model that the graph was made of."""
    from hil.compiler import make_plan

    firmware = _build(graph, make_plan(graph, board), directory, preset or board.name, kernels, None)
    return replace(firmware, given=network)


def _build(
    graph: QuantisedGraph, scheme: Plan, directory: Path, preset: str, kernels: str, toolchain: str | None
) -> Firmware:
    board = scheme.board
    tools = find_tools(preset, toolchain)
    with writing_below(directory):
        directory = directory.absolute()
        with held(f"the build in {directory.resolve()}"), plain_folder() as work:
            plan, changed, stamp = _generate(graph, scheme, directory, tools, kernels, work)
            place = _elf(output_folder(directory, preset, kernels, tools.toolchain.family))
            elf = own_copy(place, stamp)
    if preset != NATIVE:
        check_elf(elf, board)
    return Firmware(graph.model, board, preset, directory, elf, plan, graph, changed, kernels, place=place)


def _generate(
    graph: QuantisedGraph, scheme: Plan, directory: Path, tools: Tools, kernels: str, work: Path
) -> tuple[dict[str, Any], tuple[str, ...], Stamp]:
    """Bring `directory` and its firmware up to date; everything is made in `work` first.

    Returns the plan, what was changed by hand, which is built as it is and never replaced, and the firmware's stamp.
    """
    from hil.compiler import emit

    if directory.exists() and any(directory.iterdir()) and not _is_generated(directory):
        raise HilError(f"{directory} is in use: it holds files that hil build did not make; name another --out")
    fresh = work / "generated"
    emit(graph, scheme, scheme.board, fresh)
    write_list(fresh)
    plan = _read_plan(fresh)
    changed = changed_by_hand(directory, fresh) if _is_generated(directory) else []
    is_known = _is_generated(directory) and read_list(directory) == read_list(fresh)
    if is_known and (damaged := [name for name in changed if name in HOSTS_OWN]):
        log.warning("%s is not as hil build made it: %s is made again", directory, _listed(damaged))
        changed, is_known = [name for name in changed if name not in HOSTS_OWN], False
    _refuse_to_replace(directory, changed, is_known)
    source = _copied(directory, work / "changed") if changed else fresh
    preset, compiler = tools.preset, tools.toolchain.compiler
    stamp = stamp_of(source, preset, kernels, str(compiler))
    made, place = (output_folder(folder, preset, kernels, compiler.family) for folder in (source, directory))
    if is_known and is_built(place, _elf(place), stamp):
        return plan, tuple(changed), stamp
    key = kept.key_of(stamp.digest, preset, kernels, str(tools.toolchain.program))
    if not (kept.take(key, made) and is_built(made, _elf(made), stamp)):
        (work / "cmake").mkdir()
        compile_preset(source, preset, plan, work / "cmake", kernels, tools)
        write_stamp(made, _elf(made), stamp)
        kept.keep(key, made)
    _replace(*((place, made) if is_known else (directory, fresh)))
    return plan, tuple(changed), stamp


def _elf(built: Path) -> Path:
    """The firmware in an output folder, of the board or of this computer."""
    native = built / "firmware"
    return native if native.is_file() else built / "firmware.elf"


def _copied(directory: Path, to: Path) -> Path:
    """A generated directory's sources, where CMake can bear the folder's name."""
    shutil.copytree(directory, to, ignore=lambda folder, names: {"out"} if Path(folder) == directory else set())
    return to


def _refuse_to_replace(directory: Path, changed: list[str], is_known: bool) -> None:
    """Raise HilError for work by hand that would be lost."""
    if not is_known and changed:
        raise HilError(
            f"{directory} has changes by hand ({_listed(changed)}) that building anew would lose, for the network, the "
            "compiler or the firmware has changed since: move them away, or name another --out"
        )


def _listed(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _replace(directory: Path, fresh: Path) -> None:
    """Put a finished directory in the place of another one, or of none, by renaming."""
    with beside(directory) as scratch:
        shutil.move(fresh, scratch / "new")
        if directory.exists():
            directory.rename(scratch / "old")
        (scratch / "new").rename(directory)


def _is_generated(directory: Path) -> bool:
    return (directory / "model" / "plan.json").exists()


def _read_plan(directory: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((directory / "model" / "plan.json").read_text(encoding="utf-8"))
    return plan
