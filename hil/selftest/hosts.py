"""Mutants of the host's own two opinions: the integer reference and the float path, while the firmware is sound."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FunctionType, ModuleType

from hil.bench import float_path
from hil.compiler import decode, integer
from hil.reference import boxes
from hil.selftest.graphs import FLOAT
from hil.selftest.mutant import Mutant, Operator, Outcome, StillbornError
from hil.selftest.sources import EXACT
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

Kind = tuple[str, str, ModuleType, str, str, tuple[str, ...], str]  # ..., old text, new text, expected, needs

KINDS: tuple[Kind, ...] = (
    ("reference-rounding", "rounding of sums", integer, "+ (1 << 31)) >> 32", ") >> 32", EXACT, "any"),
    ("reference-shift", "shift before requantising", integer, "((acc << shift)", "((acc << (shift + 1))", EXACT, "any"),
    ("reference-padding", "the zero around a map", integer,
     "padded[:] = layer.input.zero", "padded[:] = 1", EXACT, "any"),
    ("reference-stride", "the phase of a stride", integer,
     "(0, 1))[::s, ::s]", "(0, 1))[s - 1 :: s, s - 1 :: s]", EXACT, "any"),
    ("reference-bias", "the bias", integer, ".astype(np.int64) + layer.bias", ".astype(np.int64)", EXACT, "any"),
    ("reference-sweep-order", "the direction of a sweep", integer,
     "by_row[::-1], by_column", "by_row, by_column", EXACT, "any"),
    ("reference-sweep-swap", "rows for columns", integer,
     "[by_row, by_row[::-1], by_column", "[by_column, by_row[::-1], by_row", EXACT, "any"),
    ("reference-gate-shift", "the gate's index", integer,
     "pre >> cell.gate_shift", "pre >> (cell.gate_shift + 1)", EXACT, "any"),
    ("reference-state", "the update of a state", integer,
     "(z * state + g * c)", "(g * state + z * c)", EXACT, "untied"),
    ("reference-tied", "the update of a state of a tied cell", integer, "z * (state + 1)", "z * state", EXACT, "tied"),
    ("reference-pooled", "the rounding of states", integer, "(np.int32) + 128) >> 8", "(np.int32)) >> 8", EXACT, "any"),
    ("reference-norm", "the inverse root", integer,
     "<< exponent) >> 4, 0)", "<< exponent) >> 3, 0)", EXACT, "detector"),
    ("reference-add", "the rounding of a sum of maps", integer,
     "total + (1 << (layer.shift - 1))", "total", EXACT, "any"),
    ("reference-threshold", "the score threshold", decode,
     "difference > detector.threshold", "difference > detector.threshold + 9", EXACT, "detector"),
    ("reference-order", "the order of candidates", decode, "-candidates[:, 0]", "candidates[:, 0]", EXACT, "detector"),
    ("reference-decode", "the prior's centre", decode, "(F(column) + F(0.5))", "F(column)", EXACT, "detector"),
    ("reference-exponential", "the exponential", decode, "F(1.44269504) + F(0.5)", "F(1.44269504)", EXACT, "detector"),
    ("reference-suppress", "the overlap", decode,
     "_areas(others) + _areas(box) - shared", "_areas(others) + _areas(box)", EXACT, "detector"),
    ("reference-weights", "the weight of a suppressed box", decode,
     "added = pull * pull", "added = pull", EXACT, "weighted"),
    ("float-centre", "the prior's centre", boxes, "(x + 0.5) * step", "x * step", FLOAT, "detector"),
    ("float-variance", "a variance", boxes, "variances[1] * offsets", "variances[0] * offsets", FLOAT, "detector"),
    ("float-score", "the sign of a score", boxes,
     "confidence[..., :1] - confidence[..., 1:]", "confidence[..., 1:] - confidence[..., :1]", FLOAT, "detector"),
    ("float-suppression", "the limit of suppression", boxes,
     "spec.nms_iou if nms_iou is None", "0.9 if nms_iou is None", FLOAT, "detector"),
    ("float-threshold", "the score threshold", boxes,
     "spec.score_threshold if score_threshold is None", "0.45 if score_threshold is None", FLOAT, "detector"),
    ("float-order", "which candidates are best", boxes,
     "np.argsort(-scores[chosen]", "np.argsort(scores[chosen]", FLOAT, "detector"),
    ("float-offset-unit", "what an offset is worth", float_path, "* OFFSET)", "* OFFSET * 2)", FLOAT, "detector"),
    ("float-score-unit", "what a score is worth", float_path, "* SCORE\n", "* SCORE / 2\n", FLOAT, "detector"),
    ("float-max-out", "which background score counts", float_path,
     "said[:, :background].max(1", "said[:, :background].min(1", FLOAT, "detector"),
    ("float-channels", "where the offsets are", float_path,
     "head.first_offset :]", "head.first_offset + 1 :]", (*FLOAT, "ValueError"), "detector"),
)  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that change the host's opinions."""
    return tuple(
        Operator(name, f"{breaks} in the {_side(module)}", expected, partial(_sites, name, module, old, new),
                 ("native", needs), 3)
        for name, breaks, module, old, new, expected, needs in KINDS
    )  # fmt: skip


def _side(module: ModuleType) -> str:
    return "integer reference" if module in (integer, decode) else "float path"


def _sites(operator: str, module: ModuleType, old: str, new: str, subject: Subject) -> Iterator[Mutant]:
    text = inspect.getsource(module)
    if old not in text:
        raise LookupError(f"{operator}: {module.__name__} has no {old!r} any more: mend hil/selftest/hosts.py")
    start = 0
    while (start := text.find(old, start)) >= 0:
        if '"""' in text[text.rfind("\n", 0, start) : text.find("\n", start)]:  # only says so
            start += len(old)
            continue
        changed = text[:start] + new + text[start + len(old) :]
        diff = "\n".join(difflib.unified_diff(text.split("\n"), changed.split("\n"), "", "", "", "", 1, ""))
        line = text[:start].count("\n") + 1
        site = f"{module.__name__.rsplit('.', 1)[-1]}.py:{line}"
        attempt, trap = (partial(_attempt, module, other) for other in (changed, _trapped(text, start)))
        yield Mutant(operator, subject.name, site, diff, attempt, trap=trap)
        start += len(old)


def _trapped(text: str, position: int) -> str:
    """A module's text with an error before the line of a position."""
    begin = text.rfind("\n", 0, position) + 1
    indent = re.match(r" *", text[begin:])
    return f"{text[:begin]}{indent[0] if indent else ''}raise ValueError('reached')\n{text[begin:]}"


def _attempt(module: ModuleType, text: str, bait: Bait) -> Outcome:
    with mutated(module, compiled(module, text)):
        try:
            return bait.run()
        except (ValueError, IndexError) as error:  # the host falls over itself: nobody takes that for a PASS
            return Outcome((type(error).__name__,), str(error))


def compiled(module: ModuleType, text: str) -> CodeType:
    """Another text of a module. Raises StillbornError where it is no Python, as with a trap inside a statement."""
    try:
        return compile(text, str(module.__file__), "exec")
    except SyntaxError as error:
        raise StillbornError(str(error)) from error


@contextmanager
def mutated(module: ModuleType, code: CodeType) -> Iterator[None]:
    """A module whose functions do what another code of it says, whoever has imported them."""
    other = ModuleType(module.__name__ + "_mutant")
    other.__dict__["__file__"] = module.__file__
    sys.modules[other.__name__] = other  # dataclasses look their module up
    exec(code, other.__dict__)  # noqa: S102
    kept: list[tuple[FunctionType, object]] = []
    caches: list[Callable[[], None]] = []
    try:
        for name, function in list(vars(module).items()):
            plain, changed = (getattr(f, "__wrapped__", f) for f in (function, vars(other).get(name)))
            if not (isinstance(plain, FunctionType) and isinstance(changed, FunctionType)):
                continue
            if plain.__module__ == module.__name__ and plain.__code__ != changed.__code__:
                kept.append((plain, plain.__code__))
                plain.__code__ = changed.__code__
                caches.append(getattr(function, "cache_clear", lambda: None))
                caches[-1]()
        yield
    finally:
        del sys.modules[other.__name__]
        for plain, before in kept:
            plain.__code__ = before  # type: ignore[assignment]
        for clear in caches:
            clear()
