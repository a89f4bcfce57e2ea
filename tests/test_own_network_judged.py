"""Networks of one's own on the bench: an honest run passes, image after image, and what is wrong has a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cli import hil
from compilers import needs
from networks import images, quantised, randomise
from own_network import checkpoint
from PIL import Image
from test_own_network import Body, _two_tensors
from torch import nn

from hil import board, targets
from hil.bench.batch import Job, run_job
from hil.bench.session import Bench, check_hello
from hil.compiler import run
from hil.errors import HilError
from hil.firmware.build import NATIVE, build_graph
from hil.link import ProtocolError
from hil.reference.own import classifier, tensors
from hil.reference.photo import from_array

F407 = board.load("stm32f407_disco")
pytestmark = needs(NATIVE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Two plain tensors of a network of one's own, on the host."""
    own = randomise(_two_tensors())
    firmware = build_graph(quantised(own), own, F407, tmp_path / "out", NATIVE)
    with Bench(firmware, targets.create(NATIVE, F407)) as bench:
        yield bench


def photos(bench: Bench, count: int) -> list[np.ndarray]:
    return images(bench.firmware.network, count, seed=5)


def test_every_image_passes_whichever_layers_have_their_turn(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "mine")
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    names = tuple(tmp_path / f"{i}.png" for i in range(6))
    subjects = run_job(Job(str(path), names, NATIVE, out=tmp_path / "out"))
    assert [subject.run.faults for subject in subjects] == [()] * 6


def test_an_output_that_is_not_read_as_it_was_made_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = from_array(photos(bench, 1)[0])
    assert bench.run(photo).passed
    inner = bench.client.infer
    result = inner(photo.pixels, tap=bench.firmware.tensor_names.index("mask"))
    assert result.tap is not None
    result = dataclasses.replace(result, tap=result.tap ^ 1)
    monkeypatch.setattr(bench.client, "infer", lambda *a, **k: result if k.get("tap") is not None else inner(*a, **k))
    with pytest.raises(HilError, match="mask was read from the device as something else than it had made"):
        bench.run(photo)


def test_a_tensor_that_nobody_digests_is_named(bench: Bench) -> None:
    pixels = photos(bench, 1)[0]
    result, trace = bench.infer(pixels), run(bench.firmware.graph, pixels)
    plan = bench.firmware.plan
    place = bench.firmware.tensor_names.index("image")
    fewer = [tensor for i, tensor in enumerate(plan["tensors"]) if i != place]
    bench.firmware = dataclasses.replace(bench.firmware, plan=plan | {"tensors": fewer})
    digests = [digest for i, digest in enumerate(result.digests or []) if i != place]
    with pytest.raises(ProtocolError, match="plan names no image, so nothing tells what became of it"):
        bench.differing_tensors(SimpleNamespace(digests=digests), trace)


def test_a_map_that_is_returned_twice_is_refused() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = m.conv(x)
        return made, m.drop(made)

    body = Body(forward, conv=nn.Conv2d(3, 8, 3, 2, 1), drop=nn.Dropout())
    with pytest.raises(HilError, match="a and b are one and the same map: return it once"):
        quantised(tensors(body, "twice", (3, 20, 28), ("a", "b")))


@pytest.mark.parametrize("classes", [("a", "x", "x"), "abc"])
def test_classes_have_different_names(classes: object) -> None:
    body = Body(lambda m, x: m.conv(x).mean((2, 3)), conv=nn.Conv2d(3, 3, 3))
    with pytest.raises(HilError, match="classes are different names"):
        classifier(body, "mine", (3, 12, 12), classes)


def test_a_recording_of_a_tight_build_is_judged_by_its_own_plan(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(1).integers(0, 256, (240, 320), dtype=np.uint8)
    Image.fromarray(pixels).save("noise.png")
    tight = ("--ram-budget", "80K", "--out", "o", "--record", "tight.gz")
    assert hil(capsys, monkeypatch, "run", "rnnpool_face_m4", "noise.png", "-t", NATIVE, *tight).code == 0
    assert hil(capsys, monkeypatch, "replay", "tight.gz").code == 0


@needs("stm32f407_disco")
def test_a_board_with_another_baud_rate_or_stack_or_clock_or_too_much_ram_fails(tmp_path: Path) -> None:
    own = randomise(_two_tensors())
    firmware = build_graph(quantised(own), own, F407, tmp_path / "board")
    assert firmware.stack_room == F407.stack_bytes
    with Bench(firmware, targets.create("sim", F407)) as bench:
        assert bench.hello is not None
        check_hello(bench.hello, firmware)
        for change, said in ({"baud": 9600}, "baud 9600"), ({"stack_bytes": 64}, "bytes of stack 64"):
            with pytest.raises(HilError, match=f"the device has {said}, expected"):
                check_hello(dataclasses.replace(bench.hello, **change), firmware)
        observed = bench.target.observed
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench.target, "observed", lambda: dataclasses.replace(observed(), awake=None))
            (silent,) = bench.run(from_array(photos(bench, 1)[0])).faults
        assert silent.name == "cycles.implausible" and "did not say how long its core was awake" in str(silent)
        budgeted = dataclasses.replace(firmware, ram_budget=100)
        bench.firmware = budgeted
        (over,) = bench.run(from_array(photos(bench, 1)[0])).faults
        assert over.name == "ram.total_bytes" and over.limit == 100
