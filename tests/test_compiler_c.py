"""The generated C, compiled for the host, against the integer interpreter: every layer, every bit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks import (
    TINY,
    Classifier,
    RandomNetwork,
    detector,
    images,
    in_blocks,
    quantised,
    randomise,
    small,
    tied,
)

from hil import board as boards
from hil.compiler import Plan, QuantisedGraph, detect, make_plan, run, tensors
from hil.compiler.emit import config_header, model_source
from hil.compiler.kernels.weights import weights_header, weights_source
from hil.paths import source_root

FIRMWARE = source_root() / "firmware_src"
HARNESS = Path(__file__).parent / "c" / "run_model.c"
SANITISERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
CASES = {
    "tiny": lambda: detector(TINY),
    "m4": lambda: small("rnnpool_face_m4", 72, 88),
    "quant": lambda: small("rnnpool_face_quant", 128, 160),
    "c": lambda: small("rnnpool_face_c", 128, 144),
    "classifier": lambda: randomise(Classifier()),
    **{f"random {seed}": lambda seed=seed: randomise(RandomNetwork(seed)) for seed in range(6)},
    "m4, tied": lambda: tied(small("rnnpool_face_m4", 72, 88)),
    "m4 in blocks": lambda: in_blocks(small("rnnpool_face_m4", 72, 88)),
    "m4 in blocks, tied": lambda: in_blocks(tied(small("rnnpool_face_m4", 72, 88))),
    "classifier with piecewise-linear cells": lambda: randomise(Classifier("quant")),
    "classifier with free zeta and nu": lambda: _with_gates(randomise(Classifier()), zeta=0.7, nu=-2.0),
}
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a host compiler: apt-get install gcc")


def _with_gates(network: Classifier, zeta: float, nu: float) -> Classifier:
    for cell in (network.pool.cell1, network.pool.cell2):
        cell.zeta.data.fill_(zeta)
        cell.nu.data.fill_(nu)
    return network


class Program:
    """Generated C of a graph, compiled with the host's gcc."""

    def __init__(
        self, graph: QuantisedGraph, folder: Path, change: tuple[str, str] = ("", ""), plan: Plan | None = None
    ) -> None:
        self.graph, self.folder = graph, folder
        plan = plan or make_plan(graph, boards.load("stm32f429_disco"))
        model = model_source(graph, plan)
        assert change[0] in model
        texts = {
            "model.c": model.replace(*change),
            "weights.c": weights_source(graph),
            "weights.h": weights_header(graph),
            "model_config.h": config_header(graph, plan, "0" * 16),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        sources = [HARNESS, *folder.glob("*.c"), *(FIRMWARE / "kernels").glob("*.c")]
        includes = [f"-I{path}" for path in (folder, FIRMWARE / "include", FIRMWARE / "kernels")]
        flags = ["-std=gnu11", "-O1", "-ffp-contract=off", *SANITISERS, "-DHIL_NATIVE"]
        subprocess.run(["gcc", *flags, *includes, *map(str, sources), "-o", str(folder / "program"), "-lm"], check=True)

    def run(self, image: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Every shown tensor by name, and the detections; a classifier's logits must be its last layer's map."""
        image.tofile(self.folder / "image")
        subprocess.run([self.folder / "program", self.folder / "image", self.folder / "output"], check=True)
        data, made = (self.folder / "output").read_bytes(), {}
        for shown in tensors(self.graph):
            shape = shown.height, shown.width, shown.channels
            size = np.dtype(shown.dtype).itemsize * shown.height * shown.width * shown.channels
            made[shown.name] = np.frombuffer(data[:size], shown.dtype).reshape(shape)
            data = data[size:]
        if self.graph.detector is None and not self.graph.outputs:
            np.testing.assert_array_equal(np.frombuffer(data, np.int16), made[self.graph.layers[-1].name].ravel())
            data = b""
        columns = self.graph.detector.columns if self.graph.detector else 5
        return made, np.frombuffer(data, np.float32).reshape(-1, columns)


@needs_gcc
@pytest.mark.parametrize("case", CASES)
def test_every_layer_and_box_is_bit_equal(case: str, tmp_path: Path) -> None:
    network = CASES[case]()
    graph = quantised(network)
    program = Program(graph, tmp_path)
    extremes = [np.full_like(images(network)[0], value) for value in (0, 255)]
    for image in [*images(network, 2, seed=9), *extremes]:
        trace = run(graph, image)
        made, boxes = program.run(image)
        assert made.keys() == trace.keys()
        for name, values in made.items():
            np.testing.assert_array_equal(values, trace[name], err_msg=name)
        np.testing.assert_array_equal(boxes, detect(graph, trace))


@needs_gcc
def test_boxes_are_there_to_compare(tmp_path: Path) -> None:
    network = CASES["tiny"]()
    graph = quantised(network)
    assert len(detect(graph, run(graph, images(network, 1, seed=9)[0]))) > 0


@needs_gcc
def test_a_changed_constant_is_seen_in_its_layer_and_not_before(tmp_path: Path) -> None:
    network = CASES["tiny"]()
    graph = quantised(network)
    add = next(layer for layer in graph.layers if layer.name == "mob1_add")
    change = (f".multiplier_a = {add.multiplier_a}", f".multiplier_a = {add.multiplier_a + 900}")
    program = Program(graph, tmp_path, change)
    image = images(network, 1, seed=9)[0]
    trace, (made, _) = run(graph, image), program.run(image)
    differing = [layer.name for layer in graph.layers if not np.array_equal(made[layer.name], trace[layer.name])]
    assert differing[0] == "mob1_add"
