"""Mutants of the generated plan: where buffers lie, what a step waits for, a layer's and the decoder's numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from hil.compiler.planning.draft import draft
from hil.compiler.quantised import graph as q
from hil.selftest.idle import is_idle, is_idle_in, waits
from hil.selftest.mutant import Mutant, Operator
from hil.selftest.sources import ANY, edited
from hil.selftest.subjects import Subject

PLAN: tuple[tuple[str, str, str], ...] = (  # name, what it breaks, the number that is changed
    ("plan-depth", "a ring a row too short", r"^    \.depth = (\d+),$"),
    ("plan-pitch", "rows of a ring too near to one another", r"^    \.pitch = (\d+),$"),
    ("plan-lead", "padding of another width", r"^    \.lead = (\d+),$"),
    ("plan-rows", "another number of bytes a row", r"^    \.bytes = (\d+),$"),
    ("plan-height", "a map of another height", r"^    \.height = (\d+),$"),
    ("plan-reach", "a step before its input is there", r"\.reach = (-?\d+)"),
    ("plan-steps", "a step too many or too few", r"\.steps = (\d+)"),
    ("plan-reader", "a reader that is never woken", r"\.last_reader = (\d+)"),
    ("plan-pixels", "a turn that makes other pixels", r"\{\.pixels = (\d+)"),
    ("plan-from", "a turn that reads elsewhere", r"\.from = (\d+)"),
    ("plan-to", "a turn that writes elsewhere", r"\.to = (\d+)"),
    ("plan-keep", "a turn that keeps less for the next row", r"\.keep = (\d+)"),
    ("plan-carry", "a turn that carries less to the next", r"\.carry = (\d+), \.ends"),
    ("plan-ends", "a turn that takes the row for ended", r"\.keep = [1-9]\d*, .*\.ends_row = (\d)"),
    ("plan-padding", "padding that is counted on and is not there", r"\.padding = (\d+)\}"),
    ("plan-stride", "a step that needs other rows", r"\.feed = .*?\.stride = (\d+)"),
    ("plan-input", "an input of fewer rows", r"\.reach = [1-9]\d*, \.rows = (\d+)"),
    ("plan-pixel-bytes", "pixels of another size", r"\.pixel_bytes = (\d+)"),
    ("layer-edge", "the last row and column not repeated", r"^        \.is_padded = (true),$"),
    ("layer-tied", "a cell of the other kind", r"^            \.is_tied = (true|false),$"),
    ("layer-type", "bytes with their sign for bytes without", r"^        \.(?:input|input_a|output) = (TYPE_[US]8),$"),
    ("layer-addend", "another multiplier of a residual's part", r"^        \.multiplier_[ab] = (\d+),$"),
    ("pool-across", "fewer windows across", r"^        \.across = (\d+),$"),
    ("layer-shift", "another shift behind a sum", r"^        \.shift = (\d+),$"),
    ("layer-stride", "another stride", r"^        \.stride = (\d+),$"),
    ("layer-kernel", "a smaller kernel", r"^        \.kernel = (\d+),$"),
    ("layer-channels", "fewer channels", r"^        \.channels(?:_out)? = (\d+),$"),
    ("layer-state-shift", "other fixed-point formats of a cell", r"^            \.[wu]_shift = (\d+),$"),
    ("pool-patch", "windows of another size", r"^        \.patch = (\d+),$"),
    ("anchor-step", "priors at another distance", r"\.step = (\d+)\.0f"),
    ("anchor-size", "priors of another size", r"\.size = (\d+)\.0f"),
    ("anchor-first", "anchors counted from elsewhere", r"\.first_anchor = (\d+)"),
    ("anchor-channel", "scores or offsets read from another channel", r"\.(?:conf|loc)_channel = (\d+)"),
    ("anchor-width", "fewer anchors across", r"\.first_anchor = \d+, \.height = \d+, \.width = (\d+)"),
    ("anchor-channels", "another number of channels a cell", r"\.(?:conf|loc)_channels = (\d+)"),
    ("anchor-background", "another number of background scores", r"\.background = (\d+)"),
    ("decoder-threshold", "another score threshold", r"^    \.threshold = (-?\d+),$"),
    ("decoder-nms", "suppression at another overlap", r"^    \.nms_iou = ([\d.e-]+)f,$"),
    ("decoder-variance", "another variance", r"^    \.(?:centre|size)_variance = ([\d.e-]+)f,$"),
)


NAMES = {"true": "false", "false": "true", "TYPE_U8": "TYPE_S8", "TYPE_S8": "TYPE_U8"}


def operators() -> Iterator[Operator]:
    """All that edit the generated model."""
    overlap = "two buffers that are alive at the same time in one place"
    yield Operator("plan-overlap", overlap, ANY, _overlaid, ("native",), 3)
    for name, breaks, pattern in PLAN:
        needs = ("detector", "native") if name.startswith(("anchor", "decoder")) else ("native",)
        yield Operator(name, breaks, ANY, _plan_sites(name, pattern), needs, 2)


OF_FEEDS = ("plan-reach", "plan-stride", "plan-input")
MOST_APART = 2  # feeds changed one by one; of more, which are branches of one map, a single one is never the last
OF_A_ROW = ("_states", "_sums")  # what holds nothing before a row was read
OF_A_STEP = ("_scratch", "_piece", "_one")  # what holds nothing from step to step


def _overlaid(subject: Subject) -> Iterator[Mutant]:
    """A buffer moved to where another one lies that is alive at the same time."""
    buffers = subject.plan.buffers
    sums = [layer for layer in subject.graph.layers if isinstance(layer, q.QAdd)]
    in_place = {(f"{add.output.name}_rows", f"{part.name}_rows") for add in sums for part in add.inputs}
    in_place |= set(_last_rows(subject))
    alive = {wanted.name: wanted.alive for wanted in draft(subject.graph, subject.plan.scheme).wanted}
    lines = subject.model_source.split("\n")
    numbers = {
        line.split(" = ")[0].strip(): i for i, line in enumerate(lines) if re.match(r"    [A-Z]\w+ = \d+,$", line)
    }
    for one in buffers:
        for other in buffers:
            is_early = (
                other.first <= one.first <= (other.first + other.last) // 2
            )  # of the other's rows few are done with
            is_another = one.place == other.place and one.offset != other.offset
            is_another = is_another and not (one.name.endswith(OF_A_ROW) and other.rows == 1)  # of a row that was read
            is_another = is_another and (one.name, other.name) not in in_place
            is_another = is_another and bool((alive[one.name] & alive[other.name]).any())
            if is_early and is_another and not any(b.name.endswith(OF_A_STEP) for b in (one, other)):
                number = numbers[one.name.upper()]
                yield edited("plan-overlap", subject, "model/model.c", lines, number,
                             f"    {one.name.upper()} = {other.offset},", other.offset)  # fmt: skip


def _last_rows(subject: Subject) -> Iterator[tuple[str, str]]:
    """RNNPool's memory of the last row of a window, and the ring of its input: it is written where pixels were read."""
    for pool in (layer for layer in subject.graph.layers if isinstance(layer, q.QPool)):
        rows = sum(buffer.name.startswith(f"{pool.name}_new_row") for buffer in subject.plan.buffers)
        yield f"{pool.name}_new_row{rows - 1}", f"{pool.input.name}_rows"


def _plan_sites(operator: str, pattern: str) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        lines = subject.model_source.split("\n")
        for number, line in enumerate(lines):
            if is_idle(operator, lines, number) or is_idle_in(subject, operator, lines, number):
                continue
            for changed, at in _changes(operator, pattern, line):
                if operator not in OF_FEEDS or waits(changed, lines[number - 1]) != waits(line, lines[number - 1]):
                    yield edited(operator, subject, "model/model.c", lines, number, changed, at)

    return sites


def _changes(operator: str, pattern: str, line: str) -> Iterator[tuple[str, int]]:
    """The line with each of its numbers made another in turn, and where that stands; all feeds of a join at once."""
    found = [(match, new) for match in re.finditer(pattern, line) if (new := _other_number(operator, match[1]))]
    together = operator in OF_FEEDS and line.count(".producer") > MOST_APART
    for some in [found] if together and found else [[one] for one in found]:
        changed = line
        for match, new in reversed(some):
            changed = changed[: match.start(1)] + new + changed[match.end(1) :]
        yield changed, some[0][0].start(1)


def _other_number(operator: str, old: str) -> str | None:
    """A number that is wrong: lower where that is what breaks it; None where there is none."""
    if old in NAMES:
        return NAMES[old]
    if "." in old or "e" in old:
        return f"{float(old) * 1.5:.9g}"
    number = int(old)
    if operator == "layer-addend":
        return str(number * 3 // 2)
    if operator == "plan-ends":
        return str(1 - number)
    if operator == "decoder-threshold":
        return str(number + 40)
    if operator in ("plan-pitch", "plan-rows", "anchor-width"):
        return str(number // 2) if number > 1 else None
    if operator == "plan-reader":
        return "0" if number else None
    lower = ("plan-depth", "plan-reach", "plan-keep", "plan-carry", "plan-height",
             "layer-kernel", "layer-channels", "plan-steps", "plan-pixels",
             "anchor-background", "plan-input", "plan-pixel-bytes",
             "pool-across")  # fmt: skip
    if operator in lower:
        return str(number - 1) if number > 1 else None
    return str(number + 1)
