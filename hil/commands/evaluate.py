"""`hil evaluate`: average precision or accuracy on a data set, in float, in integers and on targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, progress
from hil.commands.options import (
    DEFAULT_BOARD,
    At,
    BoardName,
    Cluster,
    DataFolder,
    Elf,
    Model,
    NetworkOption,
    ReportFile,
)
from hil.errors import HilError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hil.evaluation.run import Task


def evaluate(
    model: Model,
    data: DataFolder,
    target: Annotated[
        str,
        typer.Option("--target", "-t", help="float, integer or a target; several (a,b) are compared."),
    ] = "integer",
    board: BoardName = DEFAULT_BOARD,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work at the same time.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many photos, spread over the set.")] = None,
    multi_scale: Annotated[bool, typer.Option("--multi-scale", help="The paper's convention; float only.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of continuing.")] = False,
    report: ReportFile = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the figures here, for hil compare.", callback=outputs.file),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder for the journal.", show_default="build/evaluate", callback=outputs.folder),
    ] = None,
    network: NetworkOption = None,
    at: At = None,
    elf: Elf = None,
    cluster: Cluster = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only this part of the photos, for --merge.")] = None,
    merge: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A shard's --store folder to merge; repeatable.")
    ] = None,
) -> None:
    """Measure a face detector's average precision on WIDER FACE's validation set, by the official protocol.

    Exit code 1 where integer and a target differ in a bit.
    A call continues an interrupted evaluation. A classifier's accuracy, with its 95 % interval, is measured on photos
    with Visual Wake Words labels (DIR/annotations/instances_val.json, DIR/all2014) or in a folder for each class
    (DIR/val/CLASS).
    """
    from hil import zoo
    from hil.evaluation.exact import contradictions
    from hil.evaluation.figures import Shares, write_evaluation_json
    from hil.evaluation.run import RESULTS, Task, evaluate_model
    from hil.evaluation.work import shard_of
    from hil.reference import weights
    from hil.reference.classifiers import Classifier
    from hil.report.evaluation_html import write_evaluation
    from hil.report.terminal import precision_table

    ways = tuple(dict.fromkeys(target.split(",")))
    part = None if shard is None else shard_of(shard)
    folders, at = tuple(merge or ()), at if "serial" in ways else None
    task = Task(
        model, data, ways, board, jobs, multi_scale, limit, store or RESULTS, fresh,
        at=at, elf=elf, cluster=cluster, shard=part, merge=folders,
    )  # fmt: skip
    if part is not None and (report or json):
        raise HilError("--report and --json are for all photos: give them with --merge")
    if isinstance(weights.load(zoo.find(model)), Classifier):
        _classes(task, report, json)
        return
    with progress() as step:
        found = evaluate_model(task, step)
    if part is not None:
        for one in found:
            console.print(f"{one.way}: {len(one.boxes)} photos, shard {shard}, in {task.store}", soft_wrap=True)
        _must_agree(contradictions(found))
        return
    if report is not None:
        write_evaluation(task, found, report)
    if json is not None:
        write_evaluation_json(task, [Shares.of_boxes(one) for one in found], json)
    console.print(precision_table(model, found, multi_scale))
    _must_agree(contradictions(found))


def _must_agree(contradictions: Iterable[str]) -> None:
    said = list(contradictions)
    for line in said:
        errors.print(line, style="red", highlight=False, soft_wrap=True, markup=False)
    if said:
        raise typer.Exit(1)


def _classes(task: Task, report: Path | None, json: Path | None) -> None:
    """A classifier's accuracy."""
    from hil.evaluation.classes import evaluate_classes
    from hil.evaluation.exact import contradictions_of_classes
    from hil.evaluation.figures import Shares, write_evaluation_json
    from hil.report.terminal import accuracy_table

    if report is not None:
        raise HilError("--report shows boxes on photos: a classifier's evaluation has none")
    if task.shard or task.merge:
        raise HilError("--shard and --merge are for face detectors: a classifier's results are not kept")
    with progress() as step:
        found = evaluate_classes(task, step)
    if json is not None:
        write_evaluation_json(task, [Shares.of_classes(one) for one in found], json)
    console.print(accuracy_table(task.model, found))
    _must_agree(contradictions_of_classes(found))
