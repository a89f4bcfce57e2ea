"""Priors, decoding, scores and non-maximum suppression in floating point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.bench.compare import iou
from hil.compiler.decode import suppress
from hil.reference.boxes import decode, detections, face_scores, nms, priors
from hil.reference.networks import SPECS
from hil.training.matching import encode

M4 = SPECS["rnnpool_face_m4"]


@pytest.mark.parametrize(("name", "count"), [("rnnpool_face_m4", 3000), ("rnnpool_face_c", 25_600)])
def test_the_number_of_anchors_is_the_published_one(name: str, count: int) -> None:
    assert priors(SPECS[name]).shape == (count, 4)


def test_anchors_are_cell_centres_row_by_row_source_by_source() -> None:
    anchors = priors(M4)
    assert anchors[0].tolist() == [4, 4, 8, 8]
    assert anchors[1].tolist() == [12, 4, 8, 8]
    assert anchors[40].tolist() == [4, 12, 8, 8]
    assert anchors[1200].tolist() == [4, 4, 16, 16]
    assert anchors[-1].tolist() == [312, 232, 48, 48]


def test_decoding_follows_the_formula() -> None:
    found = decode(np.array([[1.0, -2.0, 0.0, np.log(2) / 0.2]]), np.array([[100.0, 50, 16, 16]]), (0.1, 0.2))
    assert found[0].tolist() == pytest.approx([93.6, 30.8, 109.6, 62.8])


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-20, 300)] * 2, *[st.floats(2, 150)] * 2), min_size=1, max_size=8))
def test_decoding_undoes_encoding(boxes: list[tuple[float, ...]]) -> None:
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes])
    anchors = priors(M4)[:: 3000 // len(boxes)][: len(boxes)].astype(np.float64)
    np.testing.assert_allclose(decode(encode(anchors, corners, (0.1, 0.2)), anchors, (0.1, 0.2)), corners, atol=1e-9)


def test_scores_are_the_softmax_even_far_out() -> None:
    scores = face_scores(np.array([[0.0, 0.0], [1.0, 3.0], [1e4, -1e4]]))
    assert scores[:2].tolist() == pytest.approx([0.5, np.exp(3) / (np.exp(1) + np.exp(3))])
    assert 0 <= scores[2] < 1e-30


def plain_nms(boxes: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for i, a in enumerate(boxes):
        ious = []
        for b in boxes[kept]:
            w, h = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            shared = max(w, 0) * max(h, 0)
            ious.append(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))
        if all(iou <= limit for iou in ious):
            kept.append(i)
    return kept


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_nms_keeps_what_the_plain_one_keeps(seed: int) -> None:
    corner = np.random.default_rng(seed).uniform(0, 40, (30, 2))
    boxes = np.concatenate([corner, corner + np.random.default_rng(seed + 1).uniform(5, 30, (30, 2))], 1)
    rows = np.concatenate([boxes, np.zeros((30, 2))], 1).astype(np.float32)
    for most in (30, 4):
        np.testing.assert_array_equal(nms(rows, 0.3, most, False), rows[plain_nms(boxes, 0.3)[:most]])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_weighted_suppression_gives_weighted_means(seed: int) -> None:
    rows = scored_boxes(seed)
    expected = plain_weighted_nms(rows, 0.3)
    for most in (40, 5):
        np.testing.assert_allclose(nms(rows, 0.3, most, True)[:, :5], suppress(rows[:, :5], 0.3, most, True), rtol=1e-5)
    np.testing.assert_allclose(nms(rows, 0.3, 40, True), expected, rtol=1e-4)
    assert len(expected) < 40


def scored_boxes(seed: int) -> np.ndarray:
    """40 boxes of a class, best first."""
    rng = np.random.default_rng(seed)
    corner, score = rng.uniform(0, 40, (40, 2)), np.sort(rng.uniform(0.05, 1, (40, 1)), 0)[::-1]
    return np.concatenate([corner, corner + rng.uniform(15, 30, (40, 2)), score, 0 * score], 1).astype(np.float32)


def plain_weighted_nms(rows: np.ndarray, limit: float) -> np.ndarray:
    """Every kept box as the list of what it is the mean of, then the scores' odds raised."""
    groups: list[list[tuple[float, np.ndarray]]] = []
    for row in rows.astype(np.float64):
        for group in groups:
            shared = iou(row[None], mean(group)[None])[0, 0]
            if shared > limit:
                group.append(((row[4] * shared) ** 2, row))
                break
        else:
            groups.append([(row[4] ** 2, row)])
    raised = [raised_score(group) for group in groups]
    boxes = [[*mean(group)[:4], score, *group[0][1][5:]] for group, score in zip(groups, raised, strict=True)]
    return np.array(boxes)[np.argsort(-np.array(raised), kind="stable")]


def raised_score(group: list[tuple[float, np.ndarray]]) -> float:
    score, weight = group[0][1][4], sum(weight for weight, _ in group)
    odds = score / (1 - score) * weight**0.5 / score
    return odds / (1 + odds)


def mean(group: list[tuple[float, np.ndarray]]) -> np.ndarray:
    weights = np.array([weight for weight, _ in group])
    found: np.ndarray = weights @ np.array([row for _, row in group]) / weights.sum()
    return found


def test_detections_are_sorted_above_the_threshold_and_suppressed() -> None:
    offsets, confidence = np.zeros((3000, 4), np.float32), np.zeros((3000, 2), np.float32)
    confidence[:, 0] = 20
    for anchor, margin in ((0, 2.0), (1200, 1.0), (2999, 3.0), (1500, -4.0)):
        confidence[anchor] = 0, margin
    found = detections(offsets, confidence, M4)
    # anchor 1500 has score 0.018, below 0.05; anchor 1200 lies over anchor 0 by a quarter, below the limit of 0.3
    assert found[:, 4].tolist() == pytest.approx([1 / (1 + np.exp(-m)) for m in (3.0, 2.0, 1.0)])
    assert found[0, :4].tolist() == [288, 208, 336, 256]
    assert len(detections(offsets, confidence, M4, nms_iou=0.2)) == 2
    assert len(detections(offsets, confidence, M4, score_threshold=0.01)) == 4
    assert detections(offsets, confidence - [[0, 50]], M4).shape == (0, 5)
