"""Many cases: spread over processes, kept block by block, gone on with where they were left."""

from __future__ import annotations

import json
import multiprocessing
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins

from hil import targets
from hil.bench import drawn
from hil.compiler import decode, integer
from hil.errors import HilError
from hil.files import make_folder, writing_below
from hil.firmware.build import NATIVE, Firmware, build_graph
from hil.pools import complete
from hil.reading import json_as, read_text
from hil.selftest import subjects
from hil.targets.connection import options
from hil.torture.cases import case
from hil.torture.trial import EXACT, Stage, attempt, found, session_bytes

BLOCK = 100  # cases that one process runs before they are written down
SUBJECT = "tiny"  # of the self-test's networks
IMAGES = 3
TIMEOUT_S = {NATIVE: 0.01}  # a process answers at once: what has not come by then is lost
Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Campaign:
    """What to do. at: where a serial board is; store: the folder for what is known; jobs: processes."""

    target: str
    seed: int
    cases: int
    store: Path
    jobs: int = 1
    at: str | None = None

    @property
    def file(self) -> Path:
        return self.store / f"{self.target}-{self.seed}.jsonl"


class Block(Struct):
    """What came of BLOCK cases. faults: that happened, by kind; results: by name; failures: in words."""

    number: int
    faults: dict[str, int]
    results: dict[str, int]
    failures: list[str]


@dataclass
class Summary:
    """What came of all."""

    cases: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, block: Block) -> None:
        self.cases += sum(block.results.values())
        self.faults.update(block.faults)
        self.results.update(block.results)
        self.failures += block.failures


def run(campaign: Campaign, step: Step = lambda what, done: None) -> Summary:
    """Run every case that the store does not know yet. Returns what came of all, known ones included.

    Raises HilError for an unknown target, and where a run without faults is not right.
    """
    if campaign.target not in targets.NAMES:
        raise HilError(f"no target is called {campaign.target!r}: choose one of {', '.join(targets.NAMES)}")
    done = {block.number: block for block in known(campaign.file)}
    wanted = [n for n in range(-(-campaign.cases // BLOCK)) if n not in done]
    make_folder(campaign.store)
    step("building", 0)
    _firmware(campaign)  # once, before several processes want it
    total = len(wanted) + len(done)
    for block in _run(campaign, wanted):
        keep(campaign.file, block)
        done[block.number] = block
        step(f"{total} blocks of {BLOCK} cases", len(done) / total)
    summary = Summary()
    for number in sorted(done):
        summary.add(done[number])
    return summary


def keep(file: Path, block: Block) -> None:
    """Add a block to a store. A line that was cut off before it ends there."""
    with writing_below(file), file.open("a", encoding="utf-8") as stream:
        stream.write("\n" + json.dumps(to_builtins(block)) + "\n")


def known(file: Path) -> Iterator[Block]:
    """What a store holds; a line that was cut off does not count."""
    for line in read_text(file).splitlines() if file.is_file() else ():
        try:
            yield json_as(line, Block, str(file))
        except HilError:
            continue


def _run(campaign: Campaign, wanted: list[int]) -> Iterator[Block]:
    if campaign.jobs == 1 or len(wanted) < 2:
        with _staged(campaign) as stage:
            size = session_bytes(stage)
            yield from (_block(stage, campaign.seed, number, size) for number in wanted)
        return
    context = multiprocessing.get_context("spawn")  # not forked: numba's threads would not be there
    jobs = min(campaign.jobs, len(wanted))
    with complete(), ProcessPoolExecutor(jobs, context, _Worker.start, (campaign,)) as pool:
        futures = [pool.submit(_Worker.block, campaign.seed, number) for number in wanted]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Worker:
    """What a worker process keeps from block to block. Its target ends with it."""

    stage: Stage
    size: int

    @classmethod
    def start(cls, campaign: Campaign) -> None:
        cls.stage = _staged(campaign).__enter__()
        cls.size = session_bytes(cls.stage)

    @classmethod
    def block(cls, seed: int, number: int) -> Block:
        return _block(cls.stage, seed, number, cls.size)


def _block(stage: Stage, seed: int, number: int, size: int) -> Block:
    block = Block(number, {}, {}, [])
    faults, results = Counter[str](), Counter[str]()
    for n in range(number * BLOCK, (number + 1) * BLOCK):
        outcome = attempt(stage, case(seed, n, size))
        faults.update(outcome.faults)
        results[outcome.result] += 1
        if outcome.is_bad:
            block.failures.append(f"{outcome.result}: {outcome.detail}")
    block.faults, block.results = dict(faults), dict(results)
    return block


def _firmware(campaign: Campaign) -> Firmware:
    subject = subjects.make(SUBJECT)
    preset = NATIVE if campaign.target == NATIVE else None
    return build_graph(subject.graph, subject.network, subject.board, campaign.store / "firmware" / str(preset), preset)


class _staged:
    """A booted target with images and what the integer reference finds in them."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign

    def __enter__(self) -> Stage:
        campaign, firmware = self._campaign, _firmware(self._campaign)
        self._target = _target(campaign, firmware)
        self._target.boot(firmware.elf)
        runs = [(pixels, _expected(firmware, pixels)) for pixels in map(self._image(firmware), range(IMAGES))]
        stage = Stage(self._target, firmware.elf, runs, TIMEOUT_S.get(campaign.target, 0.05))
        for pixels, expected in runs:
            if found(stage.client().infer(pixels, digests=True)) != expected:
                raise HilError(f"{campaign.target} differs from the reference even without faults on the line")
        return stage

    @staticmethod
    def _image(firmware: Firmware) -> Callable[[int], np.ndarray]:
        return lambda seed: drawn.draw(firmware.network.spec, seed).pixels

    def __exit__(self, *_: object) -> None:
        self._target.close()


def is_prompt() -> bool:
    """Whether this system tells what a process waits for, as Linux does."""
    return Path("/proc/self/stat").is_file()


def _target(campaign: Campaign, firmware: Firmware) -> targets.Target:
    if campaign.target == NATIVE and is_prompt():
        from hil.torture.prompt import PromptTarget  # imports what Windows lacks

        return PromptTarget(firmware.board)
    return targets.create(campaign.target, firmware.board, **options(campaign.target, campaign.at))


def _expected(firmware: Firmware, pixels: np.ndarray) -> tuple[Any, ...]:
    """As hil.torture.trial.found has a result."""
    trace = integer.run(firmware.graph, pixels)
    digests = [zlib.crc32(np.ascontiguousarray(trace[name]).tobytes()) for name in firmware.tensor_names]
    boxes = [tuple(map(float, box)) for box in decode.detect(firmware.graph, trace)]
    return boxes, digests, None, 0


def shares(summary: Summary) -> list[tuple[str, int]]:
    """Results and how often, the exact ones first, then by number."""
    return sorted(summary.results.items(), key=lambda item: (item[0] != EXACT, -item[1], item[0]))
