"""The choice among schedules: more RAM never costs time, a budget is kept, and every schedule gives the same bits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from networks import TINY, Classifier, ClassifierSpec, RandomNetwork, detector, images, quantised, randomise, small
from test_compiler_c import Program, needs_gcc
from torch import nn

from hil import board as boards
from hil.commands.options import ram_bytes
from hil.compiler import Plan, QuantisedGraph, choose, detect, frontier, make_plan, run
from hil.compiler.planning.chains import candidates, chain
from hil.compiler.planning.draft import Scheme, draft
from hil.compiler.planning.plan import place
from hil.errors import HilError

BOARD = boards.load("stm32f407_disco")


class Body(nn.Module):
    """A classifier around a body of a given shape."""

    def __init__(self, body: nn.Module, channels: int, size: tuple[int, int] = (22, 20)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.spec = ClassifierSpec("body", (3, *size))
        self.body = body
        self.linear = nn.Linear(channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.body(x).mean([2, 3]))


class Sum(nn.Module):
    """Two branches added."""

    def __init__(self, a: nn.Module, b: nn.Module) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x) + self.b(x)


class Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x


def conv(channels: int, out: int, kernel: int, padding: int = 0, stride: int = 1, is_linear: bool = False) -> nn.Module:
    layers = [nn.Conv2d(channels, out, kernel, stride, padding, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([] if is_linear else [nn.ReLU6()]))


def linear(channels: int, out: int, kernel: int) -> nn.Module:
    return conv(channels, out, kernel, kernel // 2, is_linear=True)


AWKWARD = {
    "padding of 3": lambda: Body(nn.Sequential(conv(3, 24, 1), conv(24, 8, 7, 3)), 8),
    "no padding": lambda: Body(nn.Sequential(conv(3, 64, 1), conv(64, 8, 3)), 8, (30, 40)),
    "a shortcut with a layer": lambda: Body(nn.Sequential(conv(3, 8, 1), Sum(linear(8, 12, 3), linear(8, 12, 1))), 12),
    "a map added to itself": lambda: Body(nn.Sequential(linear(3, 12, 3), Twice()), 12),
    "steps without a row": lambda: Body(
        nn.Sequential(conv(3, 16, 1), conv(16, 24, 3, 0, 2), Sum(nn.Identity(), linear(24, 24, 5))), 24
    ),
    "even kernels": lambda: Body(nn.Sequential(conv(3, 16, 1), conv(16, 8, 2, 1), conv(8, 12, 4, 1, 2)), 12, (23, 21)),
}
NETWORKS = {
    "tiny": lambda: detector(TINY),
    "m4": lambda: small("rnnpool_face_m4", 240, 320),
    "classifier": lambda: randomise(Classifier()),
    "random": lambda: randomise(RandomNetwork(2)),
}


@cache
def made(name: str) -> tuple[nn.Module, QuantisedGraph, list[Plan]]:
    network = (NETWORKS | AWKWARD)[name]()
    randomise(network)
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
    """Not ever more of them from plan to plan: a norm's rows made again may cost less than another turn of a chain."""
    plans = made("m4")[2]
    again = [{chain.name for chain in plan.scheme.chains if chain.is_again} for plan in plans]
    assert not again[0] and len(again[-1]) > 1
    assert plans[-1].ram_bytes < 0.85 * plans[0].ram_bytes


def test_a_budget_gets_the_fastest_plan_within_it() -> None:
    _, graph, plans = made("m4")
    for wanted in plans:
        assert choose(plans, graph, wanted.ram_bytes) is wanted
    middle = plans[len(plans) // 2]
    assert make_plan(graph, BOARD, middle.ram_bytes).scheme == middle.scheme
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


def assert_same_bits(name: str, plans: list[Plan], seed: int, folder: Path) -> None:
    """Every layer's map, the boxes and the logits of every plan are the integer reference's."""
    network, graph, _ = made(name)
    image = images(network, 1, seed)[0]
    trace = run(graph, image)
    for number, plan in enumerate(plans):
        (folder / str(number)).mkdir()
        found, boxes = Program(graph, folder / str(number), plan=plan).run(image)
        for layer in graph.layers:
            np.testing.assert_array_equal(found[layer.name], trace[layer.name], err_msg=f"plan {number}: {layer.name}")
        np.testing.assert_array_equal(boxes, detect(graph, trace))


@needs_gcc
@pytest.mark.parametrize("name", NETWORKS)
def test_every_schedule_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    plans = made(name)[2]
    assert_same_bits(name, [*plans[::5], plans[-1]], 9, tmp_path)


@needs_gcc
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_shapes_run_in_every_schedule(name: str, tmp_path: Path) -> None:
    _, graph, plans = made(name)
    schemes = [Scheme(tuple(chain(found, turns) for found in candidates(graph))) for turns in (3, 10)]
    assert_same_bits(name, [*plans, *(place(draft(graph, scheme), BOARD) for scheme in schemes)], 3, tmp_path)


def test_a_plan_on_the_chip_goes_before_one_in_sdram() -> None:
    _, graph, plans = made("m4")
    outside = replace(plans[0], arenas=plans[0].arenas | {"sdram": 100})
    assert choose([outside, plans[3]], graph, 10**9) is plans[3]
    assert choose([outside], graph, 10**9) is outside


@pytest.mark.parametrize("text", ["0x10", "", "K", "-5", "96KB", "1" * 13, "\u0663\u0663K"])
def test_a_budget_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no number of bytes: 98304, or 96K"):
        ram_bytes(text)
    assert (ram_bytes("98304"), ram_bytes("96k")) == (98304, 98304)


def test_only_runs_whose_rows_find_no_room_have_to_make_them_again() -> None:
    graph = made("m4")[1]
    module = import_module("hil.compiler.planning.choose")
    runs = module._Runs(graph, frozenset())
    none, every = module._Structure(runs, frozenset()), module._Structure(runs, frozenset(runs.repeatable))
    limits = np.linspace(every.lowest, every.draft([s[0] for s in none.settings]).together[1], 5)
    forced = [module._forced(every, none, limit) for limit in limits]
    assert forced[0] and not forced[-1] and forced[1] != forced[0]
    gains = {
        number: runs.settings(number, True)[0].cycles - runs.settings(number, False)[0].cycles
        for number in runs.repeatable
    }
    costs = [sum(gains[number] for number in numbers) for numbers in forced]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)
