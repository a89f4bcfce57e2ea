"""The choice among schedules: more RAM never costs time, a budget is kept, and every schedule gives the same bits."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from networks import TINY, Classifier, RandomNetwork, detector, images, quantised, randomise, small
from test_compiler_c import Program, needs_gcc
from torch import nn

from hil import board as boards
from hil.compiler import Plan, QuantisedGraph, choose, detect, frontier, make_plan, run
from hil.errors import HilError

BOARD = boards.load("stm32f407_disco")
NETWORKS = {
    "tiny": lambda: detector(TINY),
    "m4": lambda: small("rnnpool_face_m4", 240, 320),
    "classifier": lambda: randomise(Classifier()),
    "random": lambda: randomise(RandomNetwork(2)),
}


@cache
def made(name: str) -> tuple[nn.Module, QuantisedGraph, list[Plan]]:
    network = NETWORKS[name]()
    graph = quantised(network)
    return network, graph, frontier(graph, BOARD)


def cycles(plan: Plan) -> int:
    return sum(plan.cycles.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_less_memory_costs_more_time(name: str) -> None:
    plans = made(name)[2]
    assert len(plans) > 1 or name == "tiny"
    for faster, smaller in zip(plans, plans[1:], strict=False):
        assert smaller.ram_bytes < faster.ram_bytes and cycles(smaller) > cycles(faster)


def test_rows_are_made_again_where_memory_is_short() -> None:
    plans = made("m4")[2]
    again = [sum(chain.is_again for chain in plan.scheme.chains) for plan in plans]
    assert again[0] == 0 and again == sorted(again) and again[-1] > 1
    assert plans[-1].ram_bytes < 0.85 * plans[0].ram_bytes


def test_a_budget_gets_the_fastest_plan_within_it() -> None:
    _, graph, plans = made("m4")
    for wanted in plans:
        found = make_plan(graph, BOARD, wanted.ram_bytes)
        assert found.scheme == wanted.scheme
    between = (plans[0].ram_bytes + plans[1].ram_bytes) // 2
    assert choose(plans, graph, between) is plans[1]
    assert choose(plans, graph, 10**9) is plans[0]


def test_a_budget_that_no_schedule_keeps_names_the_smallest_and_what_binds() -> None:
    _, graph, plans = made("m4")
    least = plans[-1].ram_bytes
    layers = "|".join([*(layer.name for layer in graph.layers), "boxes"])
    with pytest.raises(HilError, match=rf"gets by with {least - 1} bytes.*takes {least},.*while ({layers})"):
        choose(plans, graph, least - 1)


def test_without_a_budget_a_percent_of_time_is_worth_two_of_memory() -> None:
    _, graph, plans = made("m4")
    best = choose(plans, graph)
    assert best.ram_bytes * cycles(best) ** 2 == min(plan.ram_bytes * cycles(plan) ** 2 for plan in plans)


@needs_gcc
@pytest.mark.parametrize("name", NETWORKS)
def test_every_schedule_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    network, graph, plans = made(name)
    image = images(network, 1, seed=9)[0]
    trace = run(graph, image)
    for number, plan in enumerate([*plans[::5], plans[-1]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found, boxes = Program(graph, folder, plan=plan).run(image)
        for layer in graph.layers:
            np.testing.assert_array_equal(found[layer.name], trace[layer.name], err_msg=f"plan {number}: {layer.name}")
        np.testing.assert_array_equal(boxes, detect(graph, trace))
