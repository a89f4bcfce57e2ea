"""The rows of docs/models.md: each network built, run once on the simulated board, and laid beside the paper's figures.

Weights are the shipped ones, those of a folder, or seeded: what a network costs hardly depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil import zoo
from hil.bench.batch import Job, demo_photo, run_job
from hil.bench.run import Run
from hil.board import Board
from hil.board import load as load_board
from hil.checkpoints.seeding import seed_network
from hil.compiler import QuantisedGraph
from hil.compiler.emit import weights_bytes
from hil.errors import HilError
from hil.evaluation.run import FLOAT, INTEGER, Task, evaluate_model
from hil.firmware.model import load_model
from hil.firmware.planned import plan_of
from hil.paths import BUILD
from hil.reference import weights
from hil.reference.catalogue import SPECS
from hil.reference.costs import Costs, costs
from hil.reference.networks import DetectorSpec
from hil.reference.paper import Entry, entries

BOARDS = ("stm32f407_disco", "stm32f429_disco")  # the table's; the first that a network fits is its board
CODE_BYTES = 72 << 10  # of flash beside the weights. M4: 143,032 by hil run, less 71,988 of weights
WAYS = (FLOAT, INTEGER, "native")
SEEDED = BUILD / "seeded"
SEED_PHOTOS = 4
HEADER = (
    "| network | input | parameters | MACs | AP easy / medium / hard | RAM in all, bytes | flash, bytes | cycles "
    "| board | layers that differ |\n|---|---|---|---|---|---|---|---|---|---|"
)
Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Measured:
    """A network on its board. precision: AP by way, then by difficulty; none for networks that were not trained."""

    network: str
    cost: Costs
    run: Run
    precision: dict[str, dict[str, float]]
    is_trained: bool

    @property
    def differing(self) -> int:
        """Layers whose output is not the integer reference's."""
        return next(int(m.value or 0) for m in self.run.measurements if m.name == "layers.differing")


@dataclass(frozen=True)
class TooLarge:
    """A network whose weights no board's flash holds. missing_bytes: on the last one."""

    network: str
    cost: Costs
    missing_bytes: int


def measure(
    names: Sequence[str],
    folder: Path | None,
    data: Path | None,
    jobs: int,
    step: Step,
    cluster: str | None = None,
) -> Iterator[Measured | TooLarge]:
    """Build and run networks, all without names; those that come with trained weights are also evaluated on data.

    folder: of checkpoints NETWORK.safetensors, taken where they are; data: WIDER FACE, without which there is no AP;
    cluster: a dask scheduler or "local:N" that evaluates, in the place of jobs. Raises HilError for an unknown network,
    and one that fits no board's RAM; target and link errors pass.
    """
    unknown = [name for name in names if name not in SPECS]
    if unknown:
        raise HilError(f"unknown network {unknown[0]!r}: known are {', '.join(SPECS)}")
    for name in names or SPECS:
        model = checkpoint(name, folder, step)
        graph, _ = load_model(model)
        if lacking := missing_flash(graph, load_board(BOARDS[-1])):
            yield TooLarge(name, costs(SPECS[name]), lacking)
            continue
        board = _board(model, graph)
        photo = demo_photo(SEEDED / f"{name}.png", model)
        (subject,) = run_job(Job(model, (photo,), "sim", board), step)
        is_trained = weights.metadata(zoo.find(model)).get("training") != "none"
        is_evaluated = data is not None and is_trained and isinstance(SPECS[name], DetectorSpec)
        task = None if data is None else Task(model, data, WAYS, board, jobs, cluster=cluster)
        precision = _precision(task, step) if task is not None and is_evaluated else {}
        yield Measured(name, costs(SPECS[name]), subject.run, precision, is_trained)


def checkpoint(name: str, folder: Path | None, step: Step) -> str:
    """The shipped model's name, the folder's checkpoint or a seeded one."""
    given = None if folder is None else folder / f"{name}{zoo.SUFFIX}"
    if given is not None and given.is_file():
        return str(given)
    if name in zoo.names():
        return name
    made = SEEDED / f"{name}{zoo.SUFFIX}"
    seed_network(name, 0, SEED_PHOTOS, made, step)
    return str(made)


def missing_flash(graph: QuantisedGraph, board: Board) -> int:
    """Bytes of flash that a board lacks for a network, 0 where it has enough."""
    return max(0, weights_bytes(graph) + CODE_BYTES - board.flash.bytes)


def _board(model: str, graph: QuantisedGraph) -> str:
    """The first board that has the memory; the last where none of the others has."""
    for name in BOARDS[:-1]:
        if missing_flash(graph, load_board(name)):
            continue
        try:
            plan_of(model, load_board(name))
        except HilError:
            continue
        return name
    return BOARDS[-1]


def _precision(task: Task, step: Step) -> dict[str, dict[str, float]]:
    found = evaluate_model(task, step)
    return {one.way: dict(one.precision) for one in found}


def row(found: Measured | TooLarge) -> str:
    """A network's row in Markdown, the paper's figures in brackets."""
    entry = next(one for one in entries() if one.title == found.network)
    printed = entry.printed
    channels, height, width = SPECS[found.network].input_shape
    known = (
        found.network,
        f"{width}x{height}x{channels}",
        _beside(f"{found.cost.parameters:,}", printed.parameters),
        _beside(f"{found.cost.macs / 1e6:,.1f} M", printed.operations),
    )
    if isinstance(found, TooLarge):
        lacks = f"{BOARDS[-1]} lacks {found.missing_bytes:,}"
        cells = (*known, _beside("-", printed.precision), _beside("-", printed.ram), lacks, "-", "none", "-")
        return f"| {' | '.join(cells)} |"
    run = found.run
    cells = (
        *known,
        _precisions(found, entry),
        _beside(_memory(run), printed.ram),
        _beside(f"{run.firmware.flash_bytes:,}", printed.flash),
        _beside(f"{(run.cycles.total or 0) / 1e6:,.0f} M", printed.cycles),
        run.board,
        str(found.differing),
    )
    return f"| {' | '.join(cells)} |"


def _memory(run: Run) -> str:
    sdram = (run.ram.static_by_memory or {}).get("sdram", 0)
    return f"{run.ram.total_bytes:,}" + (f", of them {sdram:,} SDRAM" if sdram else "")


def _precisions(found: Measured, entry: Entry) -> str:
    if not isinstance(SPECS[found.network], DetectorSpec):
        return _beside("-", entry.printed.precision)
    ways = [f"{way} {' / '.join(f'{value:.3f}' for value in ap.values())}" for way, ap in found.precision.items()]
    nothing = "trained, not evaluated" if found.is_trained else "not trained"
    return _beside("<br>".join(ways) or nothing, entry.printed.precision)


def _beside(ours: str, printed: str | None) -> str:
    return ours if printed is None else f"{ours} ({printed})"
