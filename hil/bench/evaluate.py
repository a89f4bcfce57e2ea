"""A detector's average precision on WIDER FACE: in floating point, in integers, or as firmware on a target has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hil import board as boards
from hil import targets, zoo
from hil.bench.build import NATIVE, build, load_model
from hil.bench.session import Bench
from hil.compiler import decode, integer
from hil.errors import HilError
from hil.reference import weights
from hil.reference.networks import Detector
from hil.training.detect import Detect, float_detector, on_letterbox
from hil.training.evaluate import evaluate, predict

FLOAT, INTEGER = "float", "integer"
WAYS = (FLOAT, INTEGER, *targets.NAMES)


def evaluate_model(model: str, data: Path, way: str, board_name: str) -> dict[str, float]:
    """AP easy, medium and hard by the official protocol, at the network's size, single scale.

    way: "float", "integer" (the reference that firmware equals bit by bit), or a target's name. Raises HilError for an
    unknown way, model or board, for a network that is no detector, and for data that is not WIDER FACE's.
    """
    if way not in WAYS:
        raise HilError(f"nothing evaluates as {way!r}: choose one of {', '.join(WAYS)}")
    network = weights.load(zoo.find(model))
    if not isinstance(network, Detector):
        raise HilError(f"{model} is {network.spec.name}, which finds no boxes: average precision is for face detectors")
    with _detector(model, network, way, board_name) as detect:
        return evaluate(predict(detect, data, is_mono=network.spec.input_shape[0] == 1), data)


@contextmanager
def _detector(model: str, network: Detector, way: str, board_name: str) -> Iterator[Detect]:
    """Something that finds faces in photos of any size."""
    board = boards.load(board_name)
    if way == FLOAT:
        yield float_detector(network)
    elif way == INTEGER:
        graph, _ = load_model(model)
        yield on_letterbox(lambda planes: decode.detect(graph, integer.run(graph, _as_hwc(planes))), network.spec)
    else:
        firmware = build(model, board_name, preset=NATIVE if way == NATIVE else None)
        with Bench(firmware, targets.create(way, board)) as bench:
            yield on_letterbox(lambda planes: _boxes(bench, planes), network.spec)


def _boxes(bench: Bench, planes: np.ndarray) -> np.ndarray:
    """What the device finds in a (C, H, W) image; nothing is compared, so that it is as fast as the target."""
    return np.asarray(bench.client.infer(_as_hwc(planes)).detections, np.float32).reshape(-1, 5)


def _as_hwc(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
