"""An image's boxes outlive it until the next image writes over them: by the plan, and on a simulated board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from networks import TINY, Classifier, detector, quantised, randomise

from hil import board as boards
from hil.compiler import make_plan
from hil.compiler.planning.results import rows_that_spare_results
from hil.compiler.planning.schedule import Replay
from hil.firmware.build import build
from hil.firmware.model import model_spec
from hil.measure.line import line_bytes, measure
from hil.reference.photo import sample_photo

BOARD = boards.load("stm32f407_disco")


def test_rows_spare_the_boxes_until_something_that_shares_their_place_comes() -> None:
    graph = quantised(detector(TINY))
    plan = make_plan(graph, BOARD)
    begins = [*Replay(graph.input, plan.nodes).made["image"], 1 << 30]
    found = set()
    for other in plan.buffers:
        moved = tuple(
            replace(b, place=other.place, offset=other.offset, bytes=1) if b.name == "detections" else b
            for b in plan.buffers
        )
        over = [
            b.first for b in plan.buffers
            if b.name != "detections" and b.place == other.place and b.offset <= other.offset < b.offset + b.bytes
        ]  # fmt: skip
        rows = rows_that_spare_results(graph, replace(plan, buffers=moved))
        assert rows == len(begins) - 1 or begins[rows] <= min(over) < begins[rows + 1], other
        found.add(rows)
    assert len(found) > 2


def test_a_classifier_has_none() -> None:
    graph = quantised(randomise(Classifier()))
    assert rows_that_spare_results(graph, make_plan(graph, BOARD)) == 0


def test_the_line_to_a_board_as_it_is_built_is_kept_busy() -> None:
    """With its hundred boxes and more an image, which go out while the next one comes in. Time is the board's."""
    portrait = sample_photo(model_spec("rnnpool_face_m4"))
    busy = measure(build("rnnpool_face_m4", BOARD.name).elf, [np.roll(portrait, 40 * i, 1) for i in range(3)])
    assert busy.is_exact
    assert busy.share > max(0.9, busy.line_s / busy.one_by_one_s)


def test_what_a_line_allows_is_an_image_in_the_longest_frames() -> None:
    assert line_bytes(261, 267) == 267 + 11 + 1
    assert line_bytes(76800, 267) == 294 * 279 + (76800 - 294 * 261) + 6 + 11
