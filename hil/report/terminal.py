"""What a run, a plan and a look at this machine show in the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.bench.classify import Classification
from hil.bench.limits import Measurement, Verdict
from hil.bench.run import Run, class_of
from hil.board import Board
from hil.firmware.build import Firmware
from hil.report.run_html import arena_bytes, strongest
from hil.shown import shown

if TYPE_CHECKING:
    from hil.evaluation.classes import Accuracy
    from hil.evaluation.journal import Predictions

NAME_WIDTH = 24  # columns that an image's name has before it is wrapped, also where the terminal is narrow
NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_BOXES = 5
PASSED, FAILED = Text("passed", style="bold green"), Text("FAILED", style="bold red")


def verdict(run: Run) -> Group:
    """Everything about one run: the verdict, the boxes, the cycles a layer, the measurements."""
    outcome = PASSED if run.passed else FAILED
    title = Text.assemble((shown(run.model), "bold"), f" on {run.board}, target {run.target}: ", outcome)
    found = _boxes(run) if run.classification is None else _classes(run.classification)
    parts: list[RenderableType] = [title, *_differences(run), *_faults(run), *_noted([run]), found]
    if run.cycles.layers is not None:
        parts.append(_cycles(run))
    return Group(*parts, _measurements(run.measurements))


def verdicts(runs: Sequence[Run]) -> Group:
    """A line an image; below it why each that failed did, and what holds for the lot."""
    lines = [
        Text.assemble(
            shown(name), ": ", Text("; ").join((*([] if run.bit_exact else _differences(run)), *_faults(run)))
        )
        for name, run in zip(_names(runs), runs, strict=True)
        if not run.passed
    ]
    return Group(_images(runs), *lines, *_noted(runs))


def _names(runs: Sequence[Run]) -> list[str]:
    return [Path(run.image.path).name if run.image.path else run.image.sha256[:8] for run in runs]


def _images(runs: Sequence[Run]) -> Table:
    names = _names(runs)
    is_repeated, is_classifier = any(run.link.retries for run in runs), runs[0].classification is not None
    title = f"{runs[0].model} on {runs[0].board}, target {runs[0].target}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("image", overflow="fold", min_width=min(NAME_WIDTH // (1 + is_repeated), max(map(len, names))))
    for name in ("verdict", "bit-exact"):
        table.add_column(name, overflow="fold")
    for name in ("class" if is_classifier else "boxes", runs[0].cycles.unit, "RAM", *["repeated"] * is_repeated):
        table.add_column(name, justify="right", overflow="fold")
    for name, run in zip(names, runs, strict=True):
        found = [
            run.classification.predicted if run.classification else _boxes_found(run),
            figure(run.cycles.total).replace(" ", NO_BREAK),
            figure(run.ram.total_bytes).replace(" ", NO_BREAK),
            *[str(run.link.retries)] * is_repeated,
        ]
        table.add_row(name, PASSED if run.passed else FAILED, _exactness(run), *found)
    return table


def _exactness(run: Run) -> str:
    if run.bit_exact:
        return "yes"
    return f"no: {run.divergence.layer if run.divergence else 'boxes' if run.classification is None else 'logits'}"


def _boxes_found(run: Run) -> str:
    """How many, and the best one's score."""
    score = strongest(run.detections)
    return "0" if score is None else f"{len(run.shown)},{NO_BREAK}{score:.3f}"


def _differences(run: Run) -> list[Text]:
    if run.bit_exact:
        return [Text("bit-exact: every layer and every box is the integer reference's")]
    return [Text(shown(run.divergence) if run.divergence else "all layers agree, the boxes do not", style="red")]


def _faults(run: Run) -> list[Text]:
    """Why the run fails."""
    return [Text(shown(fault), style="red") for fault in run.faults]


def _noted(runs: Sequence[Run]) -> list[Text]:
    """What was changed by hand, and what cannot be measured on this target."""
    changed, not_measured = (
        list(dict.fromkeys(itertools.chain.from_iterable(getattr(run, name) for run in runs)))
        for name in ("changed", "not_measured")
    )
    lines = []
    if changed:
        lines.append(Text(shown(f"changed by hand, and built as they are: {', '.join(changed)}"), style="yellow"))
    if not_measured:
        lines.append(Text(f"not measured here: {', '.join(not_measured)}", style="dim"))
    return lines


def _boxes(run: Run) -> Table:
    title = f"Detections from score {run.operating_point:.2f} on (pixels of the image as sent)"
    table = Table("box", title=title, title_justify="left")
    for name in ("x0", "y0", "x1", "y1", "score", *(["class"] if run.detections.shape[1] > 5 else [])):
        table.add_column(name, justify="right")
    best = run.shown[:MOST_BOXES]
    for i, found in enumerate(best):
        label = class_of(found, run.classes)
        edges = (f"{edge:.1f}" for edge in found[:4])
        table.add_row(str(i), *edges, f"{found[4]:.3f}", *([] if label is None else [label]))
    if len(run.detections) > len(best):
        some = f"the best {len(best)} of {len(run.shown)}; " if len(run.shown) > len(best) else ""
        table.caption = f"{some}run.json has all {len(run.detections)}"
    return table


def _classes(found: Classification) -> Table:
    table = Table("class", title=f"Logits: {found.predicted}", title_justify="left")
    for name in ("device", "integer", "float"):
        table.add_column(name, justify="right")
    for row in zip(found.classes, found.logits, found.reference_logits, found.float_logits, strict=True):
        table.add_row(row[0], *(f"{logit:.3f}" for logit in row[1:]))
    return table


def _cycles(run: Run) -> Table:
    total, layers = run.cycles.total or 1, run.cycles.layers or {}
    unit, milliseconds = run.cycles.unit, run.cycles.milliseconds
    title = unit.capitalize() if unit == run.cycles.source else f"{unit.capitalize()} ({run.cycles.origin})"
    table = Table("layer", title=title, title_justify="left")
    table.add_column(unit, justify="right")
    table.add_column("share", justify="right")
    for name, cycles in layers.items():
        table.add_row(name, figure(cycles), f"{100 * cycles / total:.1f} %")
    if run.cycles.decode is not None:
        table.add_row("decode", figure(run.cycles.decode), f"{100 * run.cycles.decode / total:.1f} %")
    if run.cycles.schedule is not None:
        table.add_row("schedule", figure(run.cycles.schedule), f"{100 * run.cycles.schedule / total:.1f} %")
    table.add_section()
    table.add_row("total", figure(run.cycles.total), "" if milliseconds is None else f"{milliseconds:.0f} ms")
    table.caption = run.cycles.full_difference
    return table


def _measurements(measurements: Sequence[Measurement]) -> Table:
    table = Table("measurement", title="Measurements", title_justify="left")
    for name in ("value", "unit", "limit", "verdict"):
        table.add_column(name, justify="left" if name in ("unit", "verdict") else "right")
    for m in measurements:
        if m.verdict is None:
            word = Text("no limit", style="dim")
        elif m.verdict is Verdict.NOT_MEASURED:
            word = Text(Verdict.NOT_MEASURED, style="bold red" if m.ok is False else "dim")
        else:
            word = FAILED if m.ok is False else PASSED
        table.add_row(m.name, figure(m.value), m.unit, figure(m.limit), word)
    return table


def plan_tables(plan: dict[str, Any], board: Board) -> Group:
    """The layers of a plan, its buffers, and its RAM against the board's."""
    layers = Table("layer", "operator", "output", title=f"{plan['model']} on {board.title}", title_justify="left")
    for name in ("MACs", "cycles", "kernel", "rows", "bytes", "in"):
        layers.add_column(name, justify="left" if name in ("kernel", "in") else "right")
    for layer in plan["layers"]:
        out, buffer = layer["output"], layer.get("buffer") or {}
        shape = f"{out['height']}x{out['width']}x{out['channels']} {out['dtype']}"
        kept = (figure(buffer.get("rows")), figure(buffer.get("bytes")), buffer.get("place", "-"))
        costs = figure(layer["macs"]), figure(layer["predicted_cycles"]), layer["kernel"]
        layers.add_row(layer["name"], layer["op"], shape, *costs, *kept)
    layers.add_section()
    totals = (figure(sum(layer[key] for layer in plan["layers"])) for key in ("macs", "predicted_cycles"))
    layers.add_row("total", "", "", *totals, "", "", "", "")
    layers.caption = "cycles: predicted at 5 wait states; kernel: plain where no fast loop covers the shape"
    return Group(layers, _schedule(plan), _buffers(plan), _memory(plan, board), _curve(plan, board))


def _schedule(plan: dict[str, Any]) -> Table:
    table = Table("layers that run together", title="Schedule", title_justify="left")
    for name in ("turns a row", "scratch, at most"):
        table.add_column(name, justify="right")
    table.add_column("made again for each row")
    for chain in plan["chains"]:
        again = chain["made_again"] or "-"
        table.add_row(", ".join(chain["layers"]), str(chain["turns"]), figure(chain["scratch_bytes"]), again)
    if plan["whole"]:
        table.caption = f"made whole before anything reads them: {', '.join(plan['whole'])}"
    return table


def _curve(plan: dict[str, Any], board: Board) -> Table:
    """RAM against cycles, with a bar a schedule."""
    table = Table("RAM in all", title="Possible schedules (--ram-budget)", title_justify="left")
    has_sdram = any(point["sdram_bytes"] for point in plan["curve"])
    for name in ("SDRAM", "Mcycles", "s") if has_sdram else ("Mcycles", "s"):
        table.add_column(name, justify="right")
    table.add_column("most is alive in")
    table.add_column("RAM")
    most = max(point["ram_bytes"] for point in plan["curve"])
    for point in plan["curve"]:
        cycles = point["predicted_cycles"]
        costs = [f"{cycles / 1e6:.1f}", f"{cycles / board.clock_hz:.2f}"]
        outside = [figure(point["sdram_bytes"])] if has_sdram else []
        bar = Bar(most, 0, point["ram_bytes"], width=24)
        style = "bold" if point["chosen"] else None
        table.add_row(figure(point["ram_bytes"]), *outside, *costs, point["binding"], bar, style=style)
    table.caption = "bold: the one above; RAM on the chip with stack, link and application"
    return table


def _buffers(plan: dict[str, Any]) -> Table:
    table = Table("buffer", "in", title="Buffers (alive: in steps of the schedule)", title_justify="left")
    for name in ("offset", "bytes", "alive from", "to"):
        table.add_column(name, justify="right")
    for buffer in sorted(plan["buffers"], key=lambda b: (b["place"], b["offset"])):
        place = (buffer["place"], figure(buffer["offset"]), figure(buffer["bytes"]))
        table.add_row(buffer["name"], *place, str(buffer["first"]), str(buffer["last"]))
    return table


def _memory(plan: dict[str, Any], board: Board) -> Table:
    table = Table("memory", title="Planned", title_justify="left")
    for name in ("arena", "of", "share"):
        table.add_column(name, justify="right")
    for memory in board.rams:
        used = arena_bytes(plan, memory.name)
        table.add_row(memory.name, figure(used), figure(memory.bytes), f"{100 * used / memory.bytes:.0f} %")
    weights, flash = plan["weights_bytes"], board.flash.bytes
    table.add_row("flash (weights)", figure(weights), figure(flash), f"{100 * weights / flash:.0f} %")
    return table


def build_table(firmware: Firmware) -> Table:
    """What was built and what it takes."""
    table = Table(show_header=False, title=f"{firmware.model} for {firmware.board.title}", title_justify="left")
    table.add_row("firmware", Text(shown(firmware.shown_elf), overflow="fold"))
    table.add_row("build id", firmware.build_id)
    table.add_row("compiler", str(firmware.compiler or "not known"))
    table.add_row("hash", firmware.elf_hash)
    if firmware.changed:
        table.add_row("changed by hand", Text(shown(", ".join(firmware.changed)), overflow="fold"))
    if firmware.sizes is not None:
        table.add_row("flash", f"{figure(firmware.sizes.flash_bytes)} of {figure(firmware.board.flash.bytes)} bytes")
        for name, size in sorted(firmware.sizes.static_by_memory.items()):
            memory = firmware.board.sram if name == "sram" else firmware.board.memory[name]
            table.add_row(f"variables in {name}", f"{figure(size)} of {figure(memory.bytes)} bytes")
    bound = firmware.stack_bound
    if bound is not None:
        known = f"{figure(bound.bytes)} of {figure(firmware.board.stack_bytes)} bytes"
        table.add_row("stack, at most", known if bound.bytes is not None else f"no bound: {', '.join(bound.unbounded)}")
    return table


def precision_table(model: str, found: Sequence[Predictions], is_multi_scale: bool = False) -> Group:
    """Average precision by difficulty, a way a row; where there are several, how many photos they differ on."""
    from hil.evaluation.journal import disagreements

    scales = "multi-scale testing" if is_multi_scale else "single scale"
    photos = len(found[0].boxes)
    table = Table("", title=f"{model}: AP on WIDER FACE, {photos} photos, {scales}", title_justify="left")
    for name in (*found[0].precision, "photos/s a process"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(one.way, *(f"{value:.4f}" for value in one.precision.values()), f"{one.per_second:.1f}")
    if len(found) == 1:
        return Group(table)
    pairs = Table("photos that differ", title="Disagreement", title_justify="left")
    for name in ("in any bit", "in a confident box", "largest change of score"):
        pairs.add_column(name, justify="right")
    pairs.add_column("worst", overflow="fold")
    for one, other in itertools.combinations(found, 2):
        worst = disagreements(one, other)
        differing, unmatched = (sum(getattr(d, kind) > 0 for d in worst) for kind in ("differing", "unmatched"))
        score = max((d.score for d in worst), default=0.0)
        names = f"{one.way} and {other.way}"
        pairs.add_row(names, str(differing), str(unmatched), f"{score:.3f}", worst[0].photo if differing else "-")
    return Group(table, pairs)


def accuracy_table(model: str, found: Sequence[Accuracy]) -> Group:
    """A classifier's accuracy with its interval, a way a row; of several ways, on how many photos they differ."""
    from hil.evaluation.classes import differences

    table = Table("", title=f"{model}: accuracy, {len(found[0].labels)} labelled photos", title_justify="left")
    for name in ("accuracy", "95 % interval", "right", "photos/s"):
        table.add_column(name, justify="right")
    for one in found:
        low, high = one.interval
        table.add_row(one.way, f"{one.share:.4f}", f"{low:.3f} to {high:.3f}", str(one.right), f"{one.per_second:.1f}")
    if len(found) == 1:
        return Group(table)
    pairs = Table("photos that differ", title="Disagreement", title_justify="left")
    for name in ("in their class", "in a logit"):
        pairs.add_column(name, justify="right")
    for one_way, other_way, classes, logits in differences(found):
        pairs.add_row(f"{one_way} and {other_way}", str(classes), str(logits))
    return Group(table, pairs)


def figure(value: float | None) -> str:
    """A number with spaces between thousands; a dash where it is unknown."""
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}"
    return f"{int(value):,}".replace(",", " ")
