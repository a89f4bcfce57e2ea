"""Mutants of the code on both sides alike: firmware and integer reference make the same mistake, and agree on it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from hil.compiler import decode, integer
from hil.compiler.quantised import graph as q
from hil.selftest.graphs import FLOAT
from hil.selftest.hosts import compiled, mutated
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

KERNELS = "firmware_src/kernels"


@dataclass(frozen=True)
class Mistake:
    """The same change in a kernel and its mirror. here, there: (old text, new text) in each; of: a kind of layer."""

    name: str
    breaks: str
    kernel: str
    here: tuple[str, str]
    module: ModuleType
    there: tuple[str, str]
    needs: str = "detector"
    of: type = object


MISTAKES = (
    Mistake("both-clip", "boxes end at the image's left edge", "detect.c",
            ("const float half_w =", "const float half_w = cx < 9.0f ? cx : "),
            decode, ("    score = F(1)", "    half_w = cx if cx < F(9) else half_w\n    score = F(1)")),
    Mistake("both-centre", "priors from the corners of their cells", "detect.c",
            ("(column + 0.5f)", "(column + 0.0f)"), decode, ("(F(column) + F(0.5))", "(F(column) + F(0))")),
    Mistake("both-axes", "a box's height from its width", "detect.c",
            ("exponential(d[3] *", "exponential(d[2] *"), decode, ("for d in (dw, dh))", "for d in (dw, dw))")),
    Mistake("both-shift", "offsets across for offsets down", "detect.c",
            ("+ d[1] * detector", "+ d[0] * detector"), decode, ("+ dy * centre", "+ dx * centre")),
    Mistake("both-truncated", "a candidate's offsets cut off, not rounded", "detect.c",
            ("offsets[i] + (1 << (LOC_SHIFT - 1))", "offsets[i]"),
            decode, ("loc.astype(np.int32) + (1 << (shift - 1))", "loc.astype(np.int32)")),
    Mistake("both-score", "scores of half the difference", "detect.c",
            ("0x1p-8f));", "0x1p-9f));"), decode, ("F(2.0**-CONF_BITS)", "F(2.0**-9)")),
    Mistake("both-overlap", "overlap as a share of the better box", "detect.c",
            ("threshold * (area(kept) + area(box) - shared)", "threshold * area(kept)"),
            decode, ("F(threshold) * union", "F(threshold) * _areas(others)")),
    Mistake("both-unsuppressed", "the best box suppresses alone", "detect.c",
            ("&box, threshold)) {", "&box, n < 1 ? threshold : 1.0f)) {"),
            decode, ("np.flatnonzero(is_same", "np.flatnonzero((np.arange(count) < 1) & is_same")),
    Mistake("both-unweighted", "a suppressed box draws by its overlap alone", "detect.c",
            ("pull = box->score * overlap", "pull = overlap"),
            decode, ("pull = box[4] * (shared[k] / union[k])", "pull = shared[k] / union[k]"), "weighted"),
    Mistake("both-undrawn", "the sides of a box are drawn across alone", "detect.c",
            ("kept->y1 += (box->y1 - kept->y1) * part;", ""),
            decode, ("kept[k, :4] += (box[:4] - kept[k, :4])", "kept[k, :3] += (box[:3] - kept[k, :3])"), "weighted"),
    Mistake("both-unraised", "scores that do not rise with what a box suppressed", "detect.c",
            ("box.score = root / (root + (1.0f - box.score));", ""),
            decode, ("kept[:, 4] = roots / (roots + (F(1) - kept[:, 4]))", ""), "weighted"),
    Mistake("both-unsorted", "boxes in the order of the scores before", "detect.c",
            ("place > 0 && kept[place - 1].score < box.score;", "false;"),
            decode, ('kept[np.argsort(-kept[:, 4], kind="stable")]', "kept"), "weighted"),
    Mistake("both-max-out", "the first background score alone", "detect.c",
            ("i < backgrounds && ", "i < 1 && "),
            decode, ("background.max(-1, keepdims=True)", "background[..., :1]")),
    Mistake("both-cells", "rows for columns of the priors", "detect.c",
            ("(row + 0.5f)", "(column + 0.5f)"),
            decode, ("cy = (F(row) + F(0.5))", "cy = (F(column) + F(0.5))")),
    Mistake("both-touching", "boxes that share a corner alone are the same", "detect.c",
            ("threshold * (area(kept) + area(box) - shared)", "0.0f"),
            decode, ("F(threshold) * union", "F(0) * union")),
    Mistake("both-reversed", "the best box last", "detect.c",
            ("    return count;\n}\n\n#endif", """    for (uint32_t a = 0; 2 * a + 1 < count; a++) {
        const detection_t box = detector->detections[a];
        detector->detections[a] = detector->detections[count - 1 - a];
        detector->detections[count - 1 - a] = box;
    }
    return count;
}

#endif"""),
            decode, ("detections, detector.weighted_nms)", "detections, detector.weighted_nms)[::-1]")),
    Mistake("both-twice", "the best box twice", "detect.c",
            ("    return count;\n}\n\n#endif", """    if (count > 0) {
        count += count < MODEL_MAX_DETECTIONS;
        memmove(&detector->detections[1], detector->detections, (count - 1) * sizeof detector->detections[0]);
    }
    return count;
}

#endif"""),
            decode, ("return suppress(decoded, detector.nms_iou, detector.detections, detector.weighted_nms)",
                     "kept = suppress(decoded, detector.nms_iou, detector.detections, detector.weighted_nms)\n"
                     "    return np.concatenate([kept[:1], kept])[: detector.detections]")),
    Mistake("both-exponential", "an exponential whose powers of two are off by a tenth", "detect.c",
            ("(float)n * 0.693359375f", "(float)n * 0.8f"), decode, ("n * F(0.693359375)", "n * F(0.8)")),
    Mistake("both-pooled", "RNNPool's states of half their size", "rnnpool.h",
            ("+ 128) >> 8)", "+ 256) >> 9)"), integer, ("(np.int32) + 128) >> 8", "(np.int32) + 256) >> 9"), "any"),
    Mistake("both-sweeps", "the second RNN twice the same way", "rnnpool.h",
            ("(direction == 2 ? t : p->patch - 1 - t)", "t"),
            integer, ("by_column, by_column[::-1]]", "by_column, by_column]"), "any"),
    Mistake("both-rows", "the second RNN twice downwards", "rnnpool.h",
            ("(direction == 0 ? t : p->patch - 1 - t)", "t"),
            integer, ("by_row, by_row[::-1]", "by_row, by_row"), "any"),
    Mistake("both-norm", "an inverse root of half the size", "elementwise.h",
            ("<< exponent) >> 4)", "<< exponent) >> 5)"), integer, ("<< exponent) >> 4, 0)", "<< exponent) >> 5, 0)"),
            of=q.QNorm),
    Mistake("both-add", "a residual without its second part", "elementwise.h",
            ("load_8bit(b, i, c->input_b) * c->multiplier_b", "0"),
            integer, ("b.astype(np.int64) * layer.multiplier_b", "0"), "any", q.QAdd),
)  # fmt: skip


def operators() -> tuple[Operator, ...]:
    """All that make a mistake on both sides."""
    return tuple(
        Operator(m.name, f"{m.breaks}, on both sides", FLOAT, partial(_sites, m), ("native", m.needs), 1)
        for m in MISTAKES
    )


def _sites(mistake: Mistake, subject: Subject) -> Iterator[Mutant]:
    diff = "\n".join(
        f"{where}\n-{old}\n+{new}"
        for where, (old, new) in ((mistake.kernel, mistake.here), (mistake.module.__name__, mistake.there))
    )
    if any(isinstance(layer, mistake.of) for layer in subject.graph.layers):
        yield Mutant(mistake.name, subject.name, mistake.kernel, diff, partial(_attempt, mistake))


def _attempt(mistake: Mistake, bait: Bait) -> Outcome:
    kernel = f"{KERNELS}/{mistake.kernel}"
    texts = bait.workshop.text(kernel), inspect.getsource(mistake.module)
    for text, (old, _) in zip(texts, (mistake.here, mistake.there), strict=True):
        if old not in text:
            raise LookupError(f"{mistake.name}: no side has {old!r} any more: mend hil/selftest/both.py")
    firmware = bait.workshop.changed({kernel: texts[0].replace(*mistake.here, 1)})
    with mutated(mistake.module, compiled(mistake.module, texts[1].replace(*mistake.there, 1))):
        return bait.run(firmware)
