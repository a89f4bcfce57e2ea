"""Image files through one firmware on one target: what `hil run` and `hil demo` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from hil import board as boards
from hil import targets
from hil.bench.limits import Limits, limits_of, load_limits
from hil.bench.replay import header
from hil.bench.run import Run, Subject
from hil.bench.session import Bench
from hil.errors import HilError
from hil.files import writing
from hil.firmware.build import NATIVE, Firmware, build
from hil.firmware.elf import check_elf
from hil.firmware.model import model_spec
from hil.link import LinkError
from hil.reference.photo import Photo, load_photo, sample_photo, to_image
from hil.targets.base import Target, TargetError
from hil.targets.connection import Mode, options
from hil.targets.pyrenode.gdb import Gdb
from hil.targets.recording import Recorder

Step = Callable[[str, float], None]  # what is being done, and how much of it is done (0..1)
BOTH = "both"  # of the timing model's modes
OnFailure = Callable[[Bench, Run | HilError], None]


@dataclass(frozen=True)
class Job:
    """What to run where. elf: a firmware to run instead of the built one; limits: a file laid over the board's.

    at: how a real board is reached (hil.targets.connection). record: a file for what passes over the link. timing: the
    mode of the simulated board's timing model, "fast" without; BOTH runs every image in the two and compares. kernels,
    ram_budget and toolchain: as hil.firmware.build.build takes them. monitor: a port of this machine for Renode's
    monitor; gdb: where a board in Renode waits for GDB.
    """

    model: str
    images: tuple[Path, ...]
    target: str = "sim"
    board: str = "stm32f407_disco"
    fit: bool = False
    elf: Path | None = None
    limits: Path | None = None
    out: Path | None = None
    at: str | None = None
    record: Path | None = None
    timing: str | None = None
    kernels: str = "fast"
    ram_budget: int | None = None
    toolchain: str | None = None
    monitor: int | None = None
    gdb: Gdb | None = None


def run_job(
    job: Job,
    step: Step = lambda what, done: None,
    look_at: Callable[[Target], Target] = lambda target: target,
    on_failure: OnFailure = lambda bench, found: None,
) -> list[Subject]:
    """Run every image and compare it with the references; one subject an image, in the order given.

    look_at: puts something around the target, from inside; on_failure: told of a run that did not pass, or of the error
    that ended it, while the target stands as it was. All that can be checked before the build is checked before it.
    Raises HilError for bad input, TargetError and LinkError where target or link fail.
    """
    board = boards.load(job.board)
    check_target(job.target)
    both = job.timing == BOTH
    if job.timing not in (None, BOTH, *get_args(Mode)):
        modes = ", ".join((*get_args(Mode), BOTH))
        raise HilError(f"--timing {job.timing}: the timing model has no such mode: choose one of {modes}")
    connection = options(job.target, job.at, "fast" if both else job.timing)
    if job.monitor is not None:
        if job.target != "renode":
            raise HilError(f"--monitor opens Renode's monitor, target {job.target} has none: use --target renode")
        connection["monitor"] = job.monitor
    if job.gdb is not None:
        if job.target != "renode":
            raise HilError(f"--gdb opens Renode's GDB server, target {job.target} has none: hil debug is for the sim")
        connection["gdb"] = job.gdb
    step("reading the model and the images", 0)
    spec = model_spec(job.model)
    load_limits(board, spec.name, job.limits, job.kernels)  # a bad file is found before anything is built
    photos = [load_photo(path, spec, job.fit) for path in job.images]
    step(f"building {spec.name} for {board.name if job.target != NATIVE else 'the host'}", 0)
    firmware = firmware_for(job)
    limits = limits_of(firmware, job.limits)
    step(f"booting {job.target}", 0)
    target = look_at(targets.create(job.target, board, **connection))
    if job.record is not None:
        target = Recorder(target, job.record, header(firmware, photos, target.capabilities, limits))
    with Bench(firmware, target, limits) as bench:
        bench.on_run = lambda run: None if run.passed else on_failure(bench, run)
        with _told(bench, on_failure):
            subjects = [_run_photo(bench, photo, i, len(photos), step) for i, photo in enumerate(photos)]
    return _with_full_timing(firmware, limits, photos, subjects, step) if both else subjects


@contextmanager
def _told(bench: Bench, on_failure: OnFailure) -> Iterator[None]:
    """An error of target or link is told before the target is closed."""
    try:
        yield
    except (TargetError, LinkError) as error:
        on_failure(bench, error)
        raise


def _with_full_timing(
    firmware: Firmware, limits: Limits, photos: list[Photo], subjects: list[Subject], step: Step
) -> list[Subject]:
    """The subjects with the cycles that the timing model's full mode counts; its own run where that one failed."""
    compared = []
    with Bench(firmware, targets.create("sim", firmware.board, timing="full"), limits) as bench:
        for photo, subject in zip(photos, subjects, strict=True):
            full = bench.run(photo, partial(step, f"running {photo.name} with full timing"))
            if subject.run.passed and not full.passed:
                compared.append(replace(subject, run=full))
                continue
            cycles = replace(subject.run.cycles, full_total=full.cycles.total)
            compared.append(replace(subject, run=replace(subject.run, cycles=cycles)))
    return compared


def _run_photo(bench: Bench, photo: Photo, index: int, count: int, step: Step) -> Subject:
    def progress(done: float) -> None:
        step(f"running {photo.name}", (index + done) / count)

    run = bench.run(photo, progress)
    progress(1)
    return Subject(run, photo.pixels, bench.firmware.plan, bench.firmware.board)


def firmware_for(job: Job) -> Firmware:
    """The firmware a job runs: built, or the ELF it names in the place of the built one."""
    preset = NATIVE if job.target == NATIVE else None
    firmware = build(job.model, job.board, job.out, preset, job.kernels, job.ram_budget, job.toolchain)
    if job.elf is None:
        return firmware
    if job.target != NATIVE:
        check_elf(job.elf, firmware.board)
    return replace(firmware, elf=job.elf, place=None)


def check_target(name: str) -> None:
    """Raise HilError, with the known names, where no target is called so."""
    if name not in targets.NAMES:
        raise HilError(f"no target is called {name!r}: choose one of {', '.join(targets.NAMES)}")


def demo_photo(path: Path, model: str) -> Path:
    """Write the demo's photo, fitted to a model."""
    with writing(path) as file:
        to_image(sample_photo(model_spec(model))).save(file, "PNG")
    return path
