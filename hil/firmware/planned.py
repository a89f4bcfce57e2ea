"""What the compiler makes of a checkpoint for a board, kept in the user's cache: it takes seconds, and torch.

Kept by a hash of all that it follows from: the checkpoint, the board, the compiler's own sources and its libraries; in
front of it stands its own digest, so that a file that was damaged or changed counts for nothing. A network that is made
by a file of the user's is not kept, for its code may do anything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import caches, zoo
from hil.board import Board
from hil.errors import HilError
from hil.files import write_bytes
from hil.firmware.model import load_model

if TYPE_CHECKING:
    from hil.compiler import Plan, QuantisedGraph

log = logging.getLogger(__name__)

KEPT = 60  # networks on boards; the oldest go
_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = ("compiler/**/*.py", "reference/*.py", "firmware/model.py", "board/*.py")
_FILE = "plans.pickle"
_DIGEST_BYTES = hashlib.sha256().digest_size


def planned(model: str, board: Board) -> tuple[QuantisedGraph, list[Plan]]:
    """The quantised graph of a model, and the plans to choose from on a board (hil.compiler.frontier).

    Raises HilError as load_model and frontier do.
    """
    key = _key(zoo.find(model), board)
    found = None if key is None else _take(key)
    if found is None:
        from hil.compiler import frontier

        graph, _ = load_model(model)
        found = graph, frontier(graph, board)
        if key is not None:
            _keep(key, found)
    graph, plans = found
    return graph, [replace(plan, board=board) for plan in plans]  # whose folder may be another installation's


def plan_of(model: str, board: Board, ram_budget: int | None = None) -> dict[str, Any]:
    """The plan of a model on a board as plan.json has it, without building anything.

    "curve" has the possible plans, the fastest first: RAM on the chip, SDRAM, predicted cycles of each plan.
    """
    from hil.compiler import choose
    from hil.compiler.emit import description

    graph, plans = planned(model, board)
    chosen = choose(plans, graph, ram_budget)
    curve = [
        {
            "ram_bytes": plan.ram_bytes,
            "sdram_bytes": plan.arenas.get("sdram", 0),
            "predicted_cycles": sum(plan.cycles.values()),
            "binding": plan.binding,
            "chosen": plan is chosen,
        }
        for plan in plans
    ]
    return description(graph, chosen, build_id="") | {"curve": curve}


def _key(checkpoint: Path, board: Board) -> str | None:
    """None for what is not to be kept."""
    try:
        content = checkpoint.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        is_ours = "made_by" not in header["__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None  # no safetensors file: load_model says what is wrong with it
    described = repr(replace(board, folder=Path()))
    parts = (content, described.encode(), _state_of_the_compiler())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24] if is_ours else None


@cache
def _state_of_the_compiler() -> bytes:
    """A digest of its sources and libraries."""
    digest = hashlib.sha256(f"{sys.version} {version('numpy')} {version('torch')}".encode())
    for path in sorted(path for pattern in _SOURCES for path in _PACKAGE.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.digest()


def _take(key: str) -> tuple[QuantisedGraph, list[Plan]] | None:
    try:
        kept = (caches.folder("plans") / key / _FILE).read_bytes()
        digest, content = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise HilError("its digest is another one")
        found: tuple[QuantisedGraph, list[Plan]] = pickle.loads(content)
        return found
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged pickle raises anything
        log.info("the plans kept as %s are made again: %s", key, error)
        return None


def _keep(key: str, made: tuple[QuantisedGraph, list[Plan]]) -> None:
    """A cache that cannot be written costs time and nothing else."""
    with suppress(OSError, HilError):
        content = pickle.dumps(made)
        write_bytes(caches.folder("plans", key) / _FILE, hashlib.sha256(content).digest() + content)
        caches.forget_oldest(caches.folder("plans"), KEPT)
