"""A plan of another network than the one that runs is refused, with the field's name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from networks import TINY, detector, quantised

from hil import board
from hil.compiler import make_plan
from hil.compiler.check import check_plan
from hil.compiler.emit import description
from hil.errors import HilError

GRAPH = quantised(detector(TINY))
PLAN = json.loads(json.dumps(description(GRAPH, make_plan(GRAPH, board.load("stm32f407_disco")), "0" * 16)))


def swapped(plan: dict[str, Any]) -> None:
    layers = plan["layers"]
    layers[0]["name"], layers[1]["name"] = layers[1]["name"], layers[0]["name"]


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "names of layers": (swapped, "layer 0 is"),
    "a map's height": (lambda plan: plan["layers"][2]["output"].update(height=1), "layer 2 is"),
    "multiply-accumulates": (lambda plan: plan["layers"][1].update(macs=0), "layer 1 is"),
    "a layer less": (lambda plan: plan["layers"].pop(), "is None, specified"),
    "a tensor's type": (lambda plan: plan["tensors"][1].update(dtype="int16"), "tensor 1 is"),
    "a tensor less": (lambda plan: plan["tensors"].pop(), "is None, specified"),
    "the input": (lambda plan: plan["input"].update(width=8), "the input is"),
    "suppression": (lambda plan: plan["detector"].update(nms_iou=0.9), "the detector is"),
    "weights in suppression": (lambda plan: plan["detector"].update(weighted_nms=True), "the detector is"),
    "what an older version does not say": (lambda plan: plan["detector"].pop("weighted_nms"), "the detector is"),
    "classes": (lambda plan: plan["detector"].update(classes=2), "the detector is"),
    "no detector": (lambda plan: plan.update(detector=None), "the detector is None"),
    "outputs": (lambda plan: plan.update(outputs=["conv0"]), "the outputs is"),
    "a prediction": (lambda plan: plan["layers"][0].update(predicted_cycles=0), "without a prediction is"),
    "a buffer": (lambda plan: [each.update(bytes=1) for each in plan["buffers"]], "the arena of all buffers is"),
    "the arena": (lambda plan: plan.update(arena_bytes=plan["arena_bytes"] + 4), "the arena of all buffers is"),
}


def test_a_plan_of_the_network_is_taken() -> None:
    check_plan(PLAN, GRAPH)


@pytest.mark.parametrize("edit", EDITS)
def test_a_plan_of_another_is_refused(edit: str) -> None:
    plan = copy.deepcopy(PLAN)
    change, said = EDITS[edit]
    change(plan)
    with pytest.raises(HilError, match=f"the plan is not of the network that runs: .*{said}"):
        check_plan(plan, GRAPH)
