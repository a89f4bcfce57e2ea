"""Mutants of the C that is on the device: kernels, decoder, schedule, start-up, and the plan that was generated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator

from hil.compiler import graph as q
from hil.selftest.mutant import Mutant, Operator
from hil.selftest.subjects import Subject
from hil.selftest.trial import attempt_source

EXACT = ("layers.differing", "states.differing", "boxes.differing", "decoder.differing", "logits.differing")
CRASH = (
    "DeviceFault", "TargetFault", "TargetError", "LinkTimeout", "LinkError", "ProtocolError", "BadAnswer",
    "UnexpectedReset",
)  # fmt: skip
ANY = (*EXACT, *CRASH, "ram.arena_used", "HilError")
KERNELS = ("conv.h", "depthwise.h", "elementwise.h", "fastgrnn.h", "fastgrnn_cell.h",
           "fastgrnn_pixels.h", "rnnpool.h", "tensor.h", "dsp.h")  # fmt: skip
SCHEDULE = ("schedule.c", "chain.c", "ring.c")
Swap = tuple[str, str, str]  # name, pattern, replacement

TOKENS: tuple[Swap, ...] = (
    ("comparison", r"(?<=[\w\])] )(<|>|<=|>=)(?= [\w(])", "{bound}"),
    ("sum", r"(?<=[\w\])] )([+-])(?= [\w(])", "{sign}"),
    ("product", r"(?<=[\w\])] )(\*)(?= [\w(])", "+"),
    ("shift", r"(?<=[\w\])] )(<<|>>)(?= [\w(])", "{shift}"),
    ("number", r"(?<![\w.\"#])(\d+)(?![\w.])", "{more}"),
    ("condition", r"(?<=[\w\])] )(==|!=|&&|\|\|)(?= [\w(!])", "{logic}"),
)
OTHERS = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "+": "-", "-": "+", "<<": ">>", ">>": "<<", "==": "!=", "!=": "==",
    "&&": "||", "||": "&&",
}  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that edit C text."""
    found = []
    for group, files, needs in (
        ("kernels", [f"firmware_src/kernels/{name}" for name in KERNELS], "native"),
        ("schedule", [f"firmware_src/kernels/{name}" for name in SCHEDULE], "native"),
        ("decoder", ["firmware_src/kernels/detect.c"], "detector"),
    ):
        for what, pattern, _ in TOKENS:
            sites = _token_sites(f"{group}-{what}", files, pattern)
            found.append(Operator(f"{group}-{what}", f"a {what} in the {group}", ANY, sites, (needs, "native"), 3))
        gone = _line_sites(f"{group}-deleted", files)
        found.append(
            Operator(f"{group}-deleted", f"a statement of the {group} left out", ANY, gone, (needs, "native"), 3)
        )
    return (*found, *_plan_operators())


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Lines of C that are code for this computer: no comments, no directives, nothing for the DSP alone."""
    is_for_dsp, depth, in_comment = False, 0, False
    for number, line in enumerate(text.split("\n")):
        stripped = line.strip()
        if stripped.startswith("#"):
            depth += stripped.startswith(("#if", "#ifdef", "#ifndef")) - stripped.startswith("#endif")
            if stripped.startswith("#if HIL_DSP"):
                is_for_dsp, at = True, depth
            elif is_for_dsp and ((stripped.startswith("#else") and depth == at) or depth < at):
                is_for_dsp = False
            continue
        in_comment = in_comment or stripped.startswith("/*")
        if not (is_for_dsp or in_comment or stripped.startswith(("//", '"'))):
            yield number, line.split("//")[0]
        in_comment = in_comment and "*/" not in line


OWNERS: tuple[tuple[str, type | None, bool | None], ...] = (  # beginning of a function's name, whose it is
    ("mean_", q.QMean, None), ("add_", q.QAdd, None), ("depthwise_", q.QConv, True), ("conv_", q.QConv, False),
    ("l2norm_", q.QNorm, None), ("sum_of_squares", q.QNorm, None), ("square_root", q.QNorm, None),
    ("inverse_square", q.QNorm, None), ("rnnpool_", q.QPool, None), ("cell_", q.QPool, None),
    ("packed_", q.QPool, None), ("dot_s16", q.QPool, None),
)  # fmt: skip
# what only the board's instructions, counter or watchdog, or several kinds of objects make a difference of; equal sizes
UNJUDGED = (
    "HIL_DSP", "d->output !=", "cycles", "between", "lap()", "mark", "begun", "label", "BOX_CLASSES", "port_alive",
    "sizeof", "tap(",
)  # fmt: skip
OF_TURNS = ("carry", "turn[-", "turn->from", "turn->to", "turn->keep")  # where a row is made in one, they are all 0
OF_BLOCKS = ("blocks", "values[0] / 2", "room", "back")  # of a matrix with zeros in blocks
OF_DENSE = ("m.length", "values += 8", "group", "packed_pair(m)")  # of one without
OF_NO_EACH = ("d->weight[", "d->bias[", "d->multiplier[")  # of depthwise constants that lie by kind, not by channel
OF_UNTIED = ("TANH_STEP_BITS", "GATE_STEP_BITS", "GATE_TABLE_BITS - 1", "c->tanh", "gates[0] * state", "c->is_convex")
OF_TIED = ("TIED_", "entry[0]")
OF_AGAIN = ("tap_new_rows(", "run_again(")  # of rows that are made again
NEEDS = (  # what the generated model must have for lines to matter
    (r"\.turns = [2-9]", OF_TURNS), (r"\.[wu]_blocks = [1-9]", OF_BLOCKS), (r"\.is_tied = false", OF_UNTIED),
    (r"\.is_tied = true", OF_TIED), (r"\.weight = \w+_depthwise_weight", OF_NO_EACH), (r"\.again = [1-9]", OF_AGAIN),
    (r"\.wide_gain = \w", ("wide_gain",)), (r"^(?![\s\S]*\.u_blocks = )", OF_DENSE),
)  # fmt: skip
OF_MANY = ("candidate, &heap[0]", "heap[0] = *candidate", "sift_down(heap, candidate_count)")  # over 400 candidates
FUNCTION = re.compile(r"^(?:ALWAYS_INLINE|static|static inline)? ?[\w ]*?[ *](\w+)\(")


def used_lines(subject: Subject, text: str) -> Iterator[tuple[int, str]]:
    """Those of lines_of in functions that the subject's layers call."""
    is_used = True
    unjudged: tuple[str, ...] = UNJUDGED + OF_MANY
    for pattern, lines in NEEDS:
        unjudged += () if re.search(pattern, subject.model_source) else lines
    if not any(isinstance(layer, q.QConv) and layer.shift for layer in subject.graph.layers):
        unjudged += ("acc << shift",)
    for number, line in lines_of(text):
        if line[:1].isalpha() and (match := FUNCTION.match(line)):
            owner = next(((kind, deep) for start, kind, deep in OWNERS if match[1].startswith(start)), None)
            is_used = owner is None or any(_is_of(layer, *owner) for layer in subject.graph.layers)
            is_used = is_used and match[1] not in ("run_again", "tap_new_rows")  # only where a plan makes rows again
        if is_used and not any(word in line for word in unjudged):
            yield number, line


def _is_of(layer: q.Layer, kind: type | None, is_depthwise: bool | None) -> bool:
    is_kind = kind is None or isinstance(layer, kind)
    return is_kind and (is_depthwise is None or getattr(layer, "is_depthwise", None) == is_depthwise)


def _files(subject: Subject, files: list[str]) -> list[str]:
    """Without what runs layers together, where a plan has no two that do."""
    has_chains = re.search(r"\.length = [2-9]", subject.model_source)
    return [name for name in files if has_chains or not name.endswith("chain.c")]


def _token_sites(operator: str, files: list[str], pattern: str) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        for name in _files(subject, files):
            text = _text(subject, name)
            lines = text.split("\n")
            for number, line in used_lines(subject, text):
                if "__asm__" in line or "static_assert" in line or "typedef" in line:
                    continue
                for match in re.finditer(pattern, line):
                    old = match[1]
                    new = OTHERS.get(old) or (str(int(old) + 1) if old.isdigit() else "+")
                    changed = line[: match.start(1)] + new + line[match.end(1) :]
                    yield edited(operator, subject, name, lines, number, changed, match.start(1))

    return sites


def _line_sites(operator: str, files: list[str]) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        for name in _files(subject, files):
            text = _text(subject, name)
            lines = text.split("\n")
            for number, line in used_lines(subject, text):
                is_statement = re.fullmatch(r"\s+[^{}()=]*(=|\+=|\()[^{}]*;\s*", line)
                is_declaration = re.match(
                    r"\s+(static |const |return|u?int\d+_t|int8_t|bool|float|register|extern)", line
                )
                if is_statement and not is_declaration:
                    yield edited(operator, subject, name, lines, number, ";", 0)

    return sites


def edited(operator: str, subject: Subject, name: str, lines: list[str], number: int, line: str, column: int) -> Mutant:
    """A mutant with one line of a file replaced."""
    changed = [*lines[:number], line, *lines[number + 1 :]]
    diff = "\n".join(difflib.unified_diff(lines, changed, name, name, "", "", 1, ""))
    short = name.rsplit("/", 1)[-1]
    site = f"{short}:{number + 1}:{column + 1}"  # lines of what is generated
    if name.startswith("firmware_src"):
        site = f"{short}: {' '.join(line.split()) if line.strip(' ;') else 'without ' + lines[number].strip()}"
    return Mutant(operator, subject.name, site, diff, attempt_source(name, "\n".join(changed)))


def _text(subject: Subject, name: str) -> str:
    from hil.paths import source_root

    return (source_root() / name).read_text()


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


def _plan_operators() -> Iterator[Operator]:
    overlap = "two buffers that are alive at the same time in one place"
    yield Operator("plan-overlap", overlap, ANY, _overlaid, ("native",), 3)
    for name, breaks, pattern in PLAN:
        needs = ("detector", "native") if name.startswith(("anchor", "decoder")) else ("native",)
        yield Operator(name, breaks, ANY, _plan_sites(name, pattern), needs, 2)


OF_A_STEP = ("_scratch", "_piece")  # what holds nothing from step to step


def _overlaid(subject: Subject) -> Iterator[Mutant]:
    """A buffer moved to where another one lies that is alive at the same time."""
    buffers = subject.plan.buffers
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
            if is_early and is_another and not any(b.name.endswith(OF_A_STEP) for b in (one, other)):
                number = numbers[one.name.upper()]
                yield edited("plan-overlap", subject, "model/model.c", lines, number,
                             f"    {one.name.upper()} = {other.offset},", other.offset)  # fmt: skip


def _plan_sites(operator: str, pattern: str) -> Callable[[Subject], Iterable[Mutant]]:
    def sites(subject: Subject) -> Iterator[Mutant]:
        lines = subject.model_source.split("\n")
        for number, line in enumerate(lines):
            if _is_idle(operator, lines, number) or operator == "layer-type" and _is_of_norm(subject, lines, number):
                continue
            for match in re.finditer(pattern, line):
                new = _other_number(operator, match[1])
                if new is not None:
                    changed = line[: match.start(1)] + new + line[match.end(1) :]
                    yield edited(operator, subject, "model/model.c", lines, number, changed, match.start(1))

    return sites


def _is_idle(operator: str, lines: list[str], number: int) -> bool:
    """Whether the number decides nothing, as where rows lie of a ring of one, or what the only turn of a row keeps."""
    line, above = lines[number], lines[max(0, number - 6) : number]
    ring = "\n".join(lines[max(0, number - 6) : number + 6])
    match operator:
        case "plan-pitch":
            return ".depth = 1," in ring
        case "plan-height":
            return ".lead = 0," in ring
        case "plan-rows":  # read of what a node of the schedule makes
            names = re.findall(r"ring_t (\w+) = ", "\n".join(above))
            return not any(f".output = &{name}," in text for name in names[-1:] for text in lines)
        case "plan-from" | "plan-keep" | "plan-ends" | "plan-carry":
            return not any("{.pixels" in other for other in above[-1:] + lines[number + 1 : number + 2])
        case "plan-reach" | "plan-stride":  # where all of a map is waited for, that is for the memory's sake
            waits = re.search(r"\.reach = (\d+), \.rows = \1\b", line)
            return waits is not None and int(waits[1]) > 1
        case "plan-pixel-bytes":  # read of what a layer hands on inside a chain
            begins = next((i for i, text in enumerate(reversed(above)) if "{.part" in text), 0)
            return not any(".piece = " in text for text in above[len(above) - 1 - begins :])
    return False


def _is_of_norm(subject: Subject, lines: list[str], number: int) -> bool:
    """Whether a layer's input is a norm of bytes without a sign: then it has no negative value."""
    name = next((m[1] for line in lines[number::-1] if (m := re.match(r"static \w+ (\w+)_(?:part|step)\(", line))), "")
    made = {layer.output.name: layer for layer in subject.graph.layers}
    reads = next((layer.inputs for layer in subject.graph.layers if layer.name == name), ())
    norms = [made[tensor.name] for tensor in reads if isinstance(made.get(tensor.name), q.QNorm)]
    return any(norm.inputs[0].dtype == "uint8" for norm in norms)


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
    if operator in ("plan-pitch", "plan-rows"):
        return str(number // 2)
    if operator == "plan-reader":
        return "0" if number else None
    lower = ("plan-depth", "plan-reach", "plan-keep", "plan-carry", "plan-height",
             "layer-kernel", "layer-channels", "plan-steps", "plan-pixels",
             "anchor-background", "anchor-width", "plan-input", "plan-pixel-bytes",
             "pool-across")  # fmt: skip
    if operator in lower:
        return str(number - 1) if number > 1 else None
    return str(number + 1)
