"""Which code ran on a board: taken from what the timing model keeps of blocks, so that it costs nothing while it runs.

Where the environment names a folder, each simulated board of this process and of those it starts leaves a file there,
and its ELF beside it. hil.measure.coverage makes source lines of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

from hil.files import make_folder, write_bytes, write_text
from hil.timing.compiled import layout as at
from hil.timing.compiled.engine import Engine
from hil.timing.cost_model import CostModel
from hil.timing.model import ModelledCycles

VARIABLE = "HIL_COVERAGE"
WENT_ON, WENT_ELSEWHERE = 1, 2  # how a block has been left: to the instruction behind it, or by its last one's branch

Blocks = dict[tuple[int, int], int]  # by first address and the one behind: WENT_*, all those seen


class Ran:
    """The blocks that run on an engine from now on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._blocks: Blocks = {}
        self._before = engine.before_forgetting
        engine.before_forgetting = self._harvest

    @property
    def blocks(self) -> Blocks:
        """All so far; the one now running is not among them."""
        self._look()
        return dict(self._blocks)

    def _harvest(self) -> None:
        """What is kept of blocks is about to be forgotten."""
        self._look()
        self._before()

    def _look(self) -> None:
        """A block that has run has an exit for each way it was left."""
        m = self._engine.arena
        exits = m[at.EXITS : at.EXITS + at.EXIT_STRIDE * int(m[at.EXIT_COUNT])].reshape(-1, at.EXIT_STRIDE)[1:]
        nodes = exits[:, at.X_NODE]
        starts, ends = m[nodes + at.N_START].tolist(), m[nodes + at.N_END].tolist()
        for start, end, taken in zip(starts, ends, exits[:, at.X_TAKEN].tolist(), strict=True):
            way = WENT_ELSEWHERE if taken else WENT_ON
            self._blocks[start, end] = self._blocks.get((start, end), 0) | way


class Left:
    """A file about one board in the folder; its ELF is copied at once, since tests delete theirs."""

    def __init__(self, folder: Path, elf: Path, engine: Engine) -> None:
        self._folder, self._ran = folder, Ran(engine)
        data = elf.read_bytes()
        self._name = hashlib.sha256(data).hexdigest()[:20]
        make_folder(folder)
        if not (folder / f"{self._name}.elf").exists():
            write_bytes(folder / f"{self._name}.elf", data)

    def write(self) -> None:
        """Leave what ran."""
        rows = [[*block, ways] for block, ways in sorted(self._ran.blocks.items())]
        write_text(self._folder / f"{self._name}-{secrets.token_hex(8)}.json", json.dumps(rows))


def wanted(elf: Path, model: CostModel) -> Left | None:
    """What a board that is made now has to leave; None where the environment asks for nothing, or cycles are another
    model's."""
    folder = os.environ.get(VARIABLE)
    return Left(Path(folder), elf, model.engine) if folder and isinstance(model, ModelledCycles) else None
