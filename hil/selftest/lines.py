"""Lines of the firmware's C that make a difference to a subject: others give mutants that nothing can tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hil.compiler.families.concat import QConcat
from hil.compiler.families.dense import QDense
from hil.compiler.families.functions import QFunction
from hil.compiler.families.pooling import QWindow
from hil.compiler.families.reshape import QUpsample
from hil.compiler.families.scaling import QScaling
from hil.compiler.quantised import graph as q
from hil.compiler.quantised.gated import QGated
from hil.selftest.subjects import Subject

OWNERS: tuple[tuple[str, type], ...] = (  # beginning of a function's name, whose it is; the first that fits
    ("mean_", q.QMean), ("add_", q.QAdd), ("l2norm_", q.QNorm), ("sum_of_squares", q.QNorm), ("square_root", q.QNorm),
    ("inverse_square", q.QNorm), ("rnnpool_", q.QPool), ("cell_first_step", q.QCell), ("cell_step", q.QCell),
    ("cell_gate", q.QCell), ("cell_sweep", q.QCell), ("cell_", q.QPool), ("packed_", q.QPool), ("dot_s16", q.QPool),
    ("pixel_", q.QPool), ("recurrent_", q.QPool), ("gru_", QGated), ("lstm_", QGated), ("gate_of", QGated),
    ("tanh_of", QGated), ("gated_", QGated), ("dense_", QDense), ("concat_", QConcat), ("pool_", QWindow),
    ("largest_of_4", QWindow), ("half_of", QWindow), ("map_values", QFunction), ("scale_", QScaling),
    ("upsample_", QUpsample), ("repeat_", QUpsample),
)  # fmt: skip
# what only the board's instructions, counter or watchdog, or several kinds of objects make a difference of; equal sizes
UNJUDGED = (
    "HIL_DSP", "d->output !=", "cycles", "between", "lap()", "laps", "mark", "begun", "label", "BOX_CLASSES",
    "port_alive", "sizeof", "tap(", "is_tapped(",
    "c->inputs - first",  # of a pixel's last channels: what would be read too much meets weights of zero
)  # fmt: skip
OF_TURNS = ("carry", "turn[-", "turn->from", "turn->to", "turn->keep")  # where a row is made in one, they are all 0
OF_BLOCKS = ("blocks", "values[0] / 2", "room", "back")  # of a matrix with zeros in blocks
OF_DENSE = ("m.length", "values += 8", "row % 2 * 4", "rest", "packed_pair(m)")  # of one without
OF_REST = ("rest",)  # of rows that are no multiple of four
OF_NO_EACH = ("d->weight[", "d->bias[", "d->multiplier[")  # of depthwise constants that lie by kind, not by channel
OF_UNTIED = ("TANH_STEP_BITS", "GATE_STEP_BITS", "GATE_TABLE_BITS - 1", "c->tanh", "gates[0] * state", "c->is_convex")
OF_TIED = ("TIED_", "entry[0]")
OF_AGAIN = ("tap_new_rows(", "run_again(")  # of rows that are made again
OF_NO_OUTPUT = ("node->output ",)  # of steps that hand their rows to the decoder
OF_SCORES = ("c->scores",)  # of convolutions that leave out what no score asks for
OF_KINDS = ("STATE_BITS",)  # of GRU and LSTM cells
OF_SHIFTS = ("acc << shift",)
NEEDS = (  # what the generated model must have for lines to matter
    (r"\.turns = [2-9]", OF_TURNS), (r"\.[wu]_blocks = [1-9]", OF_BLOCKS), (r"\.is_tied = false|\.kind = ", OF_UNTIED),
    (r"\.is_tied = true", OF_TIED), (r"\.weight = \w+_depthwise_weight", OF_NO_EACH), (r"\.again = [1-9]", OF_AGAIN),
    (r"\.wide_gain = \w", ("wide_gain",)), (r"^(?![\s\S]*\.u_blocks = )", OF_DENSE),
    (r"\.step = \w+, \.index = \d+, \.steps", OF_NO_OUTPUT), (r"\.scores = [1-9]", OF_SCORES), (r"\.kind = ", OF_KINDS),
    (r"(?:conv|depthwise|dilated|dense)_t layer = \{[^}]*\.shift = [1-9]", OF_SHIFTS),
)  # fmt: skip
OF_PARTS = (  # of rows that are swept in parts
    "number == 0", "part.column", "before", "rnnpool_kept(p)", "p->at_once", "done *", "part.window", "end - column",
    "first * rows1",
)  # fmt: skip
A_GROUP = 4  # channels of a pixel whose weights lie together
OF_MANY = (  # over 400 candidates
    "key > heap[0].key", "sift_down(heap, candidate_count,", "candidate_count < MODEL_CANDIDATES ? detector",
)  # fmt: skip
FUNCTION = re.compile(r"^(?:ALWAYS_INLINE|static|static inline)? ?[\w ]*?[ *](\w+)\(")


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


def used_lines(subject: Subject, text: str) -> Iterator[tuple[int, str]]:
    """Those of lines_of in functions that the subject's layers call."""
    is_used = True
    unjudged: tuple[str, ...] = UNJUDGED + OF_MANY
    for pattern, lines in NEEDS:
        unjudged += () if re.search(pattern, subject.model_source) else lines
    pools = [layer for layer in subject.graph.layers if isinstance(layer, q.QPool)]
    if all(pool.input.channels <= A_GROUP for pool in pools):
        unjudged += ("first += 4",)
    if all(cell.hidden % 4 == 0 for pool in pools for cell in (pool.cell1, pool.cell2)):
        unjudged += OF_REST
    if not any(at_once < across for across, at_once in _windows(subject.model_source)):
        unjudged += OF_PARTS
    if not _pads_rows(subject.model_source):
        unjudged += ("ring_pad_row(",)
    for number, line in lines_of(text):
        if line[:1].isalpha() and (match := FUNCTION.match(line)):
            is_used = _is_called(subject.graph, match[1])
            is_used = is_used and match[1] not in ("run_again", "tap_new_rows")  # only where a plan makes rows again
        if is_used and not any(word in line for word in unjudged):
            yield number, line


def _is_called(graph: q.QuantisedGraph, function: str) -> bool:
    convolutions = [layer for layer in graph.layers if isinstance(layer, q.QConv)]
    if function.startswith(("depthwise_", "conv_")):
        return any(layer.is_depthwise == function.startswith("depthwise_") for layer in convolutions)
    owner = next((kind for start, kind in OWNERS if function.startswith(start)), None)
    pools = [layer for layer in graph.layers if isinstance(layer, q.QPool)]
    parts = [*graph.layers, *(cell for pool in pools for cell in (pool.cell1, pool.cell2))]
    return owner is None or any(isinstance(part, owner) for part in parts)


def _windows(model: str) -> list[tuple[int, int]]:
    """Of each pool the windows across, and those that are swept at once."""
    return [(int(a), int(b)) for a, b in re.findall(r"\.across = (\d+),\s*\.at_once = (\d+)", model)]


def _pads_rows(model: str) -> bool:
    """Whether a step of the schedule makes rows with padding on both sides."""
    padded = re.findall(r"ring_t (\w+) = \{\n(?:    \..*\n)*?    \.lead = [1-9]", model)
    return any(f".output = &{name}," in model for name in padded)
