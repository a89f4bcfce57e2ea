"""Boxes from integers: the exponential, the order of candidates, suppression."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.compiler.decode import boxes, exponential, suppress
from hil.compiler.quantised.graph import Detector, Source

SOURCE = Source("loc", 0, "conf", 0, 1, 8, 16)


def _detector(**changes: object) -> Detector:
    values = {"sources": (SOURCE,), "threshold": 0, "nms_iou": 0.3, "candidates": 10, "detections": 5}
    return Detector(**{**values, "variances": (0.1, 0.2), **changes})


def _trace(height: int, width: int) -> dict[str, np.ndarray]:
    conf = np.zeros((height, width, 2), np.int16)
    conf[..., 0] = 100
    return {"loc": np.zeros((height, width, 4), np.int16), "conf": conf}


@given(st.floats(-86, 87, width=32))
def test_the_exponential_is_good_to_two_units_in_the_last_place(x: float) -> None:
    assert float(exponential(np.float32(x))) == pytest.approx(math.exp(x), rel=3e-7)


@pytest.mark.parametrize("x", [-1e30, -88.0, 89.0, 1e30])
def test_the_exponential_stays_finite(x: float) -> None:
    assert 0 < float(exponential(np.float32(x))) < np.inf


def test_a_prior_without_offset_is_centred_on_its_cell() -> None:
    trace = _trace(4, 5)
    trace["conf"][2, 3, 1] = 100 + 256
    found = boxes(_detector(), trace)
    np.testing.assert_allclose(found, [[20, 12, 36, 28, 1 / (1 + math.exp(-1))]], rtol=1e-6)


def test_offsets_move_and_stretch() -> None:
    trace = _trace(4, 5)
    trace["conf"][0, 0, 1] = 1000
    trace["loc"][0, 0] = [1024, -1024, 1024, 0]
    found = boxes(_detector(), trace)[0]
    width = 16 * math.exp(0.2)
    assert found[:4] == pytest.approx([4 + 1.6 - width / 2, 4 - 1.6 - 8, 4 + 1.6 + width / 2, 4 - 1.6 + 8], rel=1e-6)


def test_the_best_background_counts() -> None:
    source = Source("loc", 0, "conf", 0, 3, 8, 16)
    trace = _trace(1, 2)
    trace["conf"] = np.array([[[0, 500, 0, 400], [0, 300, 0, 400]]], np.int16)
    assert len(boxes(_detector(sources=(source,)), trace)) == 1


def test_of_equal_scores_the_first_anchor_wins() -> None:
    trace = _trace(1, 8)
    trace["conf"][..., 1] = 200
    trace["loc"][..., 2:] = -4096  # small enough not to overlap
    found = boxes(_detector(candidates=3), trace)
    np.testing.assert_allclose((found[:, 0] + found[:, 2]) / 2, [4, 12, 20])


def test_the_score_must_exceed_the_threshold() -> None:
    trace = _trace(1, 1)
    trace["conf"][0, 0, 1] = 150
    assert len(boxes(_detector(threshold=50), trace)) == 0
    assert len(boxes(_detector(threshold=49), trace)) == 1


def _naive_suppress(decoded: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i, a in enumerate(decoded):
        for k in kept:
            b = decoded[k]
            w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
            if w * h > threshold * union:
                break
        else:
            kept.append(i)
    return kept


@given(st.integers(0, 2**32 - 1))
def test_suppression_equals_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 40, (30, 2))
    sizes = rng.integers(1, 20, (30, 2))
    decoded = np.concatenate([corners, corners + sizes, np.ones((30, 1))], 1).astype(np.float32)
    np.testing.assert_array_equal(suppress(decoded, 0.3, 30), decoded[_naive_suppress(decoded, 0.3)])
