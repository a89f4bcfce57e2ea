"""Bias shifts: what rounding weights does to a sum's mean is found, stored and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import images, randomise

from hil.checkpoints.calibration import calibration
from hil.compiler import bias_shifts, compile_network, run
from hil.compiler.families.operators import Conv
from hil.compiler.reading.calibrate import calibrate, run_float
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.firmware.model import load_model
from hil.reference import weights
from hil.reference.networks import Detector, build


@pytest.fixture(scope="module")
def network() -> Detector:
    torch.manual_seed(0)
    made = randomise(build("rnnpool_face_m4"))
    assert isinstance(made, Detector)
    return made


@pytest.fixture(scope="module")
def ranges(network: Detector) -> dict[str, float]:
    return calibrate(network, images(network, 3, seed=1))


def test_a_shift_is_the_mean_error_of_the_rounded_weights(network: Detector, ranges: dict[str, float]) -> None:
    (image,) = images(network, 1, seed=2)
    shifts, graph = bias_shifts(network, ranges, [image]), trace(network)
    made, tensors = {layer.name: layer for layer in compile_network(network, ranges).layers}, run_float(graph, image)
    expand = next(op for op in graph.operators if op.name == "mob1_expand")
    assert isinstance(expand, Conv)
    scale = np.abs(expand.weight).reshape(len(expand.weight), -1).max(1) / 127  # as hil.compiler.quantise rounds
    assert np.array_equal(np.rint(expand.weight[:, :, 0, 0] / scale[:, None]), made["mob1_expand"].weight[:, 0, 0])
    error = made["mob1_expand"].weight[:, 0, 0] * scale[:, None] - expand.weight[:, :, 0, 0]
    mean = tensors[expand.input].mean((1, 2)).double().numpy()
    np.testing.assert_allclose(shifts["mob1_expand"], error @ mean, atol=1e-6)
    assert set(shifts) == {op.name for op in graph.operators if isinstance(op, Conv)}


def test_shifts_bring_the_means_back(network: Detector, ranges: dict[str, float]) -> None:
    shown = images(network, 3, seed=1)
    shifts = bias_shifts(network, ranges, shown)
    without, with_shifts = compile_network(network, ranges), compile_network(network, ranges, shifts)
    for name in ("mob0_expand", "mob1_expand"):
        scale = next(layer for layer in without.layers if layer.name == name).output.scale[0]
        real = np.mean([run_float(trace(network), image)[name].mean((1, 2)).numpy() for image in shown], 0)
        before, after = (
            np.mean([run(graph, image)[name].mean((0, 1)) for image in shown], 0) * scale - real
            for graph in (without, with_shifts)
        )
        assert np.square(after).mean() < np.square(before).mean(), name


def test_shifts_of_other_channels_are_refused(network: Detector, ranges: dict[str, float]) -> None:
    for bad in ([0.0] * 3, [float("nan")] * 4):
        with pytest.raises(HilError, match="the bias shifts of conv0 are not 4 numbers"):
            compile_network(network, ranges, {"conv0": bad})
    with pytest.raises(HilError, match="there are bias shifts of conv9, which is no convolution here"):
        compile_network(network, ranges, {"conv9": [0.0] * 4})


def test_a_checkpoint_keeps_its_shifts(network: Detector, tmp_path: Path) -> None:
    path = tmp_path / "m4.safetensors"
    found = calibration(network, images(network, 2, seed=3), lambda what, done: None)
    weights.save(network, path, found)
    loaded, _ = load_model(str(path))
    shifts = json.loads(found["bias_shifts"])
    same, other = (compile_network(network, json.loads(found["ranges"]), kept) for kept in (shifts, None))
    biases = [next(layer.bias for layer in graph.layers if layer.name == "conv0") for graph in (loaded, same, other)]
    assert np.array_equal(biases[0], biases[1]) and not np.array_equal(biases[0], biases[2])
