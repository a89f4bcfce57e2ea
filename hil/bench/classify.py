"""What a classifier says of an image: on the device, in the integer reference and in floating point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.compiler.integer import Trace
from hil.compiler.quantised.graph import CONF_BITS, QuantisedGraph

if TYPE_CHECKING:
    from hil.reference.classifiers import Classifier


@dataclass(frozen=True)
class Classification:
    """Logits, one a class; the device's and the integer reference's are multiples of 1/256."""

    classes: tuple[str, ...]
    logits: tuple[float, ...]
    reference_logits: tuple[float, ...]
    float_logits: tuple[float, ...]

    @property
    def predicted(self) -> str:
        """The class with the largest logit on the device."""
        return self.classes[int(np.argmax(self.logits))]

    @property
    def float_predicted(self) -> str:
        """The float model's class."""
        return self.classes[int(np.argmax(self.float_logits))]

    @property
    def differs(self) -> bool:
        """Whether the device says another class than the float model, whatever the classes are called."""
        return bool(np.argmax(self.logits) != np.argmax(self.float_logits))

    @property
    def differing(self) -> int:
        """How many of the device's logits are not the integer reference's."""
        return sum(a != b for a, b in zip(self.logits, self.reference_logits, strict=True))

    @property
    def distance_to_float(self) -> float:
        """The largest distance of one of the device's logits from the float model's."""
        return float(np.abs(np.subtract(self.logits, self.float_logits)).max())  # NaN where one is

    def to_json(self) -> dict[str, Any]:
        """The object that run.json holds."""
        return asdict(self) | {"predicted": self.predicted, "float_predicted": self.float_predicted}


def classification(
    network: Classifier, graph: QuantisedGraph, device: list[int], trace: Trace, pixels: NDArray[np.uint8]
) -> Classification:
    """All three opinions on an image. device: as the link brings them; trace: of the integer reference."""
    return Classification(
        classes=network.spec.classes,
        logits=_real(np.asarray(device)),
        reference_logits=_real(integer_logits(graph, trace)),
        float_logits=tuple(map(float, float_logits(network, pixels))),
    )


def integer_logits(graph: QuantisedGraph, trace: Trace) -> NDArray[np.int16]:
    """A classifier's logits in a trace, CONF_BITS fractional bits."""
    return trace[graph.layers[-1].name].ravel()


def float_logits(network: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The float model's logits for an image, (H, W, C) uint8."""
    import torch

    from hil.reference.detect import one_thread

    with torch.no_grad(), one_thread():
        image = network.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        logits: NDArray[np.float32] = network(image)[0].numpy()
    return logits


def _real(logits: NDArray[np.integer]) -> tuple[float, ...]:
    return tuple(float(value) / 2**CONF_BITS for value in logits)
