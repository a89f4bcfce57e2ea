"""Bit by bit and by overlap."""

from __future__ import annotations

import numpy as np
from fakes import boxes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.bench.compare import differing_boxes, first_difference, iou, largest_distance, unmatched

TENSORS = hnp.arrays(np.int8, (3, 4, 2))


@given(TENSORS)
def test_equal_tensors_have_no_difference(tensor: np.ndarray) -> None:
    assert first_difference("conv0", tensor, tensor.copy()) is None


@given(TENSORS, st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), st.integers(1, 255))
def test_one_changed_value_is_found_where_it_is(tensor: np.ndarray, where: tuple[int, int, int], by: int) -> None:
    changed = tensor.copy()
    changed[where] = np.uint8(int(changed[where]) + by & 255).view(np.int8)
    found = first_difference("conv0", changed, tensor)
    assert found is not None
    assert (found.row, found.column, found.channel) == where
    assert (found.device, found.reference, found.differing) == (changed[where], tensor[where], 1)
    assert "conv0 differs first at row" in str(found)


def test_the_first_of_several_differences_is_the_one_computed_first() -> None:
    reference = np.zeros((3, 4, 2), np.int8)
    device = reference.copy()
    device[2, 0, 0], device[1, 3, 1] = 5, 7
    found = first_difference("conv0", device, reference)
    assert found is not None and (found.row, found.column, found.channel, found.differing) == (1, 3, 1, 2)


def test_boxes_differ_by_a_bit_by_order_and_by_number() -> None:
    a = boxes((1, 2, 3, 4, 0.9), (5, 6, 7, 8, 0.8))
    nudged = a.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.float32(2))
    assert differing_boxes(a, a) == 0
    assert differing_boxes(nudged, a) == 1
    assert differing_boxes(a[::-1], a) == 2
    assert differing_boxes(a[:1], a) == 1
    assert differing_boxes(boxes(), a) == 2
    assert differing_boxes(boxes((0.0, 0, 1, 1, 1)), boxes((-0.0, 0, 1, 1, 1))) == 1


def test_iou_by_hand() -> None:
    a = boxes((0, 0, 2, 2, 1))
    b = boxes((0, 0, 2, 2, 1), (1, 0, 3, 2, 1), (5, 5, 6, 6, 1), (1, 1, 1, 1, 1))
    assert np.allclose(iou(a, b), [[1, 1 / 3, 0, 0]])


def test_only_confident_boxes_need_a_counterpart() -> None:
    device = boxes((0, 0, 10, 10, 0.9), (50, 50, 60, 60, 0.4))
    assert unmatched(device, boxes((0, 0, 10, 11, 0.1))) == 0
    assert unmatched(device, boxes((30, 30, 40, 40, 0.9))) == 1
    assert unmatched(device, boxes((0, 0, 10, 3.1, 0.9))) == 0 and unmatched(device, boxes((0, 0, 10, 2.9, 0.9))) == 1
    assert unmatched(device, boxes()) == 1
    assert largest_distance(device, boxes()) is None
    distance = largest_distance(device, boxes((0, 0, 10, 11, 0.1)))
    assert distance is not None and abs(distance - 1 / 11) < 1e-6
