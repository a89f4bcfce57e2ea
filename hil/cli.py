"""The command `hil`. Every command says in one line what is wrong with its input and leaves with code 2.

Exit codes: 0 all is well, 1 a run or a check failed, 2 bad input or a missing tool.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hil.bench.benchmark_command import bench
from hil.bench.board_commands import At, boards, flash, serve
from hil.bench.calibrate_command import calibrate
from hil.bench.options import RamBudget
from hil.bench.profile_command import profile
from hil.errors import HilError
from hil.paths import BUILD
from hil.timing.command import cycles

if TYPE_CHECKING:
    from hil.bench.run import Run

app = typer.Typer(
    help="Tests RNNPool networks as firmware on an emulated or a real STM32F4: same numbers, cycles, memory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console()
errors = Console(stderr=True)

DEMO_MODEL = "rnnpool_face_m4"

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A shipped model's name, or the path of a checkpoint.", show_default=False),
]
BoardName = Annotated[str, typer.Option("--board", "-b", help="A folder of platforms/.")]
TargetName = Annotated[
    str, typer.Option("--target", "-t", help="sim (simulated), native (this machine), renode, serial (a board).")
]
DataFolder = Annotated[
    Path, typer.Option("--data", "-d", metavar="DIR", help="WIDER FACE in its official layout.", show_default=False)
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write run.json here.")]
ReportFile = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write report.html here.")]
Kernels = Annotated[str, typer.Option(metavar="KIND", help="fast, or portable: plain C without DSP instructions.")]
Timing = Annotated[
    str | None,
    typer.Option("--timing", metavar="MODE", help="Of the simulated board: fast, full (with flash caches) or both."),
]
LimitsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML laid over platforms/BOARD/limits.toml.")]


@app.command()
def demo(
    target: TargetName = "sim",
    board: BoardName = "stm32f407_disco",
    out: Annotated[Path, typer.Option(help="Folder for what it writes.", show_default="build/demo")] = BUILD / "demo",
    at: At = None,
    timing: Timing = None,
) -> None:
    """Find the face in a photo, on a simulated board, and compare it with the references."""
    from hil.bench.batch import BOTH, Job, demo_photo, run_job, write_results

    for stale in ("run.json", "report.html"):
        (out / stale).unlink(missing_ok=True)
    timing = timing or (BOTH if target == "sim" else None)
    with progress() as step:
        step("writing the photo", 0)
        photo = demo_photo(out / "image.png", DEMO_MODEL)
        subjects = run_job(Job(DEMO_MODEL, (_shortest(photo),), target, board, at=at, timing=timing), step)
    write_results(subjects, out / "run.json", out / "report.html")
    _show([subject.run for subject in subjects])
    console.print(
        f"\n[bold]{_shortest(out / 'report.html')}[/] shows it, [bold]{_shortest(out / 'run.json')}[/] has it all"
    )
    _leave(subject.run.passed for subject in subjects)


@app.command()
def build(
    model: Model,
    board: BoardName = "stm32f407_disco",
    out: Annotated[Path | None, typer.Option(help="The generated directory; default build/MODEL/BOARD.")] = None,
    native: Annotated[bool, typer.Option("--native", help="Build for this machine instead of the board.")] = False,
    kernels: Kernels = "fast",
    ram_budget: RamBudget = None,
) -> None:
    """Compile a network to C and build the firmware for a board."""
    from hil.bench.build import NATIVE, build
    from hil.bench.terminal import build_table

    with progress() as step:
        step(f"building {model} for {NATIVE if native else board}", 0)
        firmware = build(model, board, out, NATIVE if native else None, kernels, ram_budget)
        table = build_table(firmware)
    console.print(table)


@app.command()
def run(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Photos: PNG, JPEG, ...", show_default=False)],
    target: TargetName = "sim",
    board: BoardName = "stm32f407_disco",
    json: JsonFile = None,
    report: ReportFile = None,
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    limits: LimitsFile = None,
    out: Annotated[Path | None, typer.Option(help="The generated directory; default build/MODEL/BOARD.")] = None,
    at: At = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Write down the link, for hil replay.")] = None,
    timing: Timing = None,
    kernels: Kernels = "fast",
    ram_budget: RamBudget = None,
) -> None:
    """Run photos through the firmware and compare with the references."""
    from hil.bench.batch import Job, run_job, write_results

    job = Job(model, tuple(images), target, board, fit, elf, limits, out, at, record, timing, kernels, ram_budget)
    with progress() as step:
        subjects = run_job(job, step)
    write_results(subjects, json, report)
    _show([subject.run for subject in subjects])
    _leave(subject.run.passed for subject in subjects)


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(metavar="FILE", help="Made by hil run --record.", show_default=False)],
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="The model, under its name here.")] = None,
    json: JsonFile = None,
    report: ReportFile = None,
) -> None:
    """Judge a recorded session again, without a board and without a compiler."""
    from hil.bench.batch import write_results
    from hil.bench.replay import replay

    with progress() as step:
        subjects = replay(recording, model, step)
    write_results(subjects, json, report)
    _show([subject.run for subject in subjects])
    _leave(subject.run.passed for subject in subjects)


@app.command()
def plan(model: Model, board: BoardName = "stm32f407_disco", ram_budget: RamBudget = None) -> None:
    """Show a network's layers, schedule, buffers and RAM on a board, and what other schedules would cost."""
    from hil import board as boards
    from hil.bench.build import plan_of
    from hil.bench.terminal import plan_tables

    chosen = boards.load(board)
    console.print(plan_tables(plan_of(model, chosen, ram_budget), chosen))


@app.command()
def models(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="NETWORK", help="With --measure: only these.", show_default=False)
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Build and run each; print rows of docs/models.md.")
    ] = False,
    checkpoints: Annotated[Path | None, typer.Option(metavar="DIR", help="With NETWORK.safetensors to take.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="WIDER FACE, for AP of trained networks.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that evaluate at once.")] = 1,
) -> None:
    """Every network: parameters, operations and peak RAM as the paper counts them, beside its figures.

    With --measure, what each takes on its board: RAM, flash, cycles and layers that are not the integer reference's.
    """
    if measure:
        _measure(networks or [], checkpoints, data, jobs)
        return
    from hil.bench.models import models_table
    from hil.reference.paper import entries

    with progress() as step:
        found = []
        for i, entry in enumerate(known := entries()):
            step("counting", i / len(known))
            found.append((entry, entry.costs()))
    console.print(models_table(found))


def _measure(networks: list[str], checkpoints: Path | None, data: Path | None, jobs: int) -> None:
    from hil.bench.measuring import HEADER, measure, row

    is_exact = []
    console.print(HEADER, soft_wrap=True, highlight=False, markup=False)
    with progress() as step:
        for found in measure(networks, checkpoints, data, jobs, step):
            console.print(row(found), soft_wrap=True, highlight=False, markup=False)
            is_exact.append(found.run.bit_exact)
    _leave(iter(is_exact))


@app.command()
def seed(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="A network's name.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False)],
    seed: int = 0,
    count: Annotated[int, typer.Option(min=1, help="Sample photos for batch norms and ranges.")] = 8,
) -> None:
    """Make an untrained network that can be built: seeded weights, statistics and ranges of sample photos."""
    from hil.bench.seeding import seed_network

    with progress() as step:
        used = seed_network(network, seed, count, out, step)
    console.print(f"{_shortest(out)}: {network}, seed {seed}, {used} photos; next: hil build {_shortest(out)}")


imports = typer.Typer(help="Make a checkpoint that can be built of somebody else's.", no_args_is_help=True)
app.add_typer(imports, name="import")


@imports.command()
def edgeml(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Its .pth file.", show_default=False)],
    model: Annotated[str, typer.Option(help="Which network it is of.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False)],
    images: Annotated[Path | None, typer.Option(help="Folder with a few hundred typical photos, for ranges.")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many of them, spread over the folder.")] = 256,
) -> None:
    """Import a checkpoint of microsoft/EdgeML's networks and calibrate its activation ranges."""
    from hil.bench.importing import import_edgeml

    with progress() as step:
        used = import_edgeml(checkpoint, model, out, images, count, step)
    whose = "photos" if images else "sample photos (better: hil quantise with photos of your own)"
    console.print(f"{_shortest(out)}: {model}, ranges from {used} {whose}; next: hil build {_shortest(out)}")


@app.command()
def quantise(
    model: Model,
    images: Annotated[Path, typer.Option(help="Folder with a few hundred typical photos.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="At most so many photos, spread over the folder.")] = 256,
) -> None:
    """Calibrate a checkpoint's activation ranges on photos, so that it can be built."""
    from hil.bench.calibration import calibrate_checkpoint

    with progress() as step:
        used = calibrate_checkpoint(model, images, out, count, step)
    console.print(f"{out}: ranges from {used} photos; next: hil build {out}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(metavar="NETWORK", help="A network's name.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", "-d", metavar="DIR", help="The data set.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for checkpoints, log, plot.", show_default="build/training")
    ] = BUILD / "training",
    images: Annotated[int | None, typer.Option(min=1, help="Images seen at the end of the schedule.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Bring the end forward to take no longer.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    seed: int = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last call stopped.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded photos.")] = None,
    start: Annotated[Path | None, typer.Option(metavar="CHECKPOINT", help="Begin with these weights.")] = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML; the network's own without.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto (bfloat16 on a GPU), float32 or bfloat16.")] = "auto",
    quantise_aware: Annotated[
        bool, typer.Option("--quantise-aware", help="Fine-tune --start with the firmware's rounding.")
    ] = False,
) -> None:
    """Train a face detector on WIDER FACE, or a classifier on Visual Wake Words (DIR/annotations, DIR/all2014)."""
    from hil.training.command import train_command

    checkpoint = train_command(
        model, data, out, images, minutes, threads, seed, resume, cache, start, recipe, device, precision,
        is_quantised=quantise_aware,
    )  # fmt: skip
    found = _shortest(checkpoint)
    following = f"hil run {found} PHOTO --fit" if quantise_aware else f"hil quantise {found} --images DIR --out FILE"
    console.print(f"{found}; next: {following}", soft_wrap=True)


@app.command()
def evaluate(
    model: Model,
    data: DataFolder,
    target: Annotated[
        str, typer.Option("--target", "-t", help="float, integer, native or sim; several, with commas, are compared.")
    ] = "integer",
    board: BoardName = "stm32f407_disco",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work at once.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many photos, spread over the set.")] = None,
    multi_scale: Annotated[bool, typer.Option("--multi-scale", help="The paper's convention; float only.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on.")] = False,
    report: ReportFile = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder for results as they come.", show_default="build/evaluate")
    ] = None,
) -> None:
    """Measure a face detector's average precision on WIDER FACE's validation set, by the official protocol.

    Interrupted, it goes on where it was when it is called again.
    """
    from hil.bench.evaluate import RESULTS, Task, evaluate_model
    from hil.bench.evaluation_report import write_evaluation
    from hil.bench.terminal import precision_table

    ways = tuple(dict.fromkeys(target.split(",")))
    task = Task(model, data, ways, board, jobs, multi_scale, limit, store or RESULTS, fresh)
    with progress() as step:
        found = evaluate_model(task, step)
    if report is not None:
        write_evaluation(task, found, report)
    console.print(precision_table(model, found, multi_scale))


@app.command()
def doctor() -> None:
    """Look what is installed, which targets work here, and which command mends each gap."""
    from hil.bench.doctor import examine
    from hil.bench.terminal import findings_table, remedies

    findings = examine()
    console.print(findings_table(findings))
    for remedy in remedies(findings):
        console.print(remedy, soft_wrap=True, highlight=False, markup=False)
    _leave(finding.is_ok or not finding.is_needed for finding in findings)


Step = Callable[[str, float], None]


@contextmanager
def progress() -> Iterator[Step]:
    """A bar on a terminal, a line a step elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)
        shown = ""

        def step(what: str, done: float) -> None:
            nonlocal shown
            bar.update(task, description=what, completed=done)
            if what != shown and not errors.is_terminal:
                errors.print(f"{what} ...", highlight=False)
            shown = what

        yield step


for command in (serve, boards, flash, cycles, profile, calibrate, bench):
    app.command()(command)


def _show(runs: list[Run]) -> None:
    from hil.bench.terminal import verdict, verdicts

    console.print(verdict(runs[0]) if len(runs) == 1 else verdicts(runs))


def _leave(passed: Iterator[bool]) -> None:
    """End with code 1 unless everything passed."""
    if not all(passed):
        raise typer.Exit(1)


def _shortest(path: Path) -> Path:
    """The path as seen from here, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def main() -> None:
    """Entry point of the command `hil`."""
    try:
        app(prog_name="hil")
    except HilError as error:
        from hil.targets.base import TargetFault

        errors.print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(1 if isinstance(error, TargetFault) else 2)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
