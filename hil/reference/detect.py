"""Detectors of whole photos, from anything that takes the network's input size."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from hil.reference.boxes import detections
from hil.reference.catalogue import Network
from hil.reference.image import letterbox
from hil.reference.networks import Detector, DetectorSpec

# uint8 (C, H, W) to boxes (n, 5): x0 y0 x1 y1 score, in that image's pixels, best first.
Detect = Callable[[np.ndarray], np.ndarray]


def on_letterbox(infer: Detect, spec: DetectorSpec) -> Detect:
    """A detector for photos of any size from one that takes the network's input (float, integer, native, a board)."""

    def detect(photo: np.ndarray) -> np.ndarray:
        planes, placement = letterbox(photo, spec)
        return placement.to_photo(infer(planes))

    return detect


def float_detector(network: Detector, score_threshold: float = 0.02, nms_iou: float | None = None) -> Detect:
    """The network in floating point on letterboxed photos, with its own NMS limit unless one is given."""
    network.eval()
    device = next(network.parameters()).device

    def infer(planes: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            offsets, confidence = network(network.normalise(torch.from_numpy(planes)[None].to(device)))
        offsets, confidence = (values[0].cpu().numpy() for values in (offsets, confidence))
        return detections(offsets, confidence, network.spec, score_threshold, nms_iou)

    return on_letterbox(infer, network.spec)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: for a single image, waiting for others costs ten times what they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def float_boxes(network: Network, pixels: np.ndarray) -> np.ndarray:
    """What the float model sees in an image, (H, W, C) uint8: (n, 5) boxes x0 y0 x1 y1 score, best first.

    A classifier sees none.
    """
    if not isinstance(network, Detector):
        return np.zeros((0, 5), np.float32)
    with torch.no_grad(), one_thread():
        image = network.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        offsets, confidence = network(image)
    return detections(offsets[0].numpy(), confidence[0].numpy(), network.spec)
