"""A target that runs a firmware: boot it, run images through it, look into its layers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hil.bench.classify import Classification, classification
from hil.bench.compare import Divergence, first_difference
from hil.bench.judge import Findings, judge
from hil.bench.limits import Limits, load_limits
from hil.bench.run import LinkCounts, Run
from hil.compiler import decode, integer
from hil.compiler.integer import Trace
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.link import Client, DeviceFault, Hello, Result
from hil.reference.classifiers import Classifier
from hil.reference.photo import Photo
from hil.targets.base import Target
from hil.targets.reported import explain

Progress = Callable[[float], None]


class Bench:
    """One firmware on one target. A context manager; entering boots and checks who answers.

    limits: what measurements may be; the board's own without. Raises HilError where another firmware, model or board
    answers than the bench has built for.
    """

    def __init__(self, firmware: Firmware, target: Target, limits: Limits | None = None) -> None:
        self.firmware = firmware
        self.target = target
        self.limits = (
            load_limits(firmware.board, firmware.network_name, compiler=firmware.compiler) if limits is None else limits
        )
        self.client = Client(target)
        self.hello: Hello | None = None

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.target.close()

    def boot(self) -> Hello:
        """Load the firmware, start it and make sure that it is the one that was built."""
        self.target.boot(self.firmware.elf)
        self.hello = self.client.hello()
        check_hello(self.hello, self.firmware)
        return self.hello

    def infer(self, pixels: NDArray[np.uint8], progress: Progress | None = None) -> Result:
        """Stream an image, with digests of all layers in the result."""
        report = None if progress is None else lambda taken, total: progress(taken / total)
        with self._explained():
            return self.client.infer(pixels, digests=True, progress=report)

    def tap(self, pixels: NDArray[np.uint8], layer: str) -> NDArray[np.integer]:
        """The (H, W, C) output of a layer on the device, for an image. One inference."""
        index = self.firmware.layer_names.index(layer)
        shape = self.firmware.plan["layers"][index]["output"]
        dtype = np.dtype(shape["dtype"]).newbyteorder("<")
        with self._explained():
            found = self.client.infer(pixels, tap=index).tap
        assert found is not None, "an inference with a tap returns one"
        values = np.frombuffer(found.tobytes(), dtype)
        return values.reshape(shape["height"], shape["width"], shape["channels"])

    def differing_layers(self, result: Result, trace: Trace) -> list[str]:
        """The layers whose digest is not the reference's, in the order in which they are computed."""
        digests = result.layer_digests
        assert digests is not None, "infer() asks for digests"
        expected = [zlib.crc32(np.ascontiguousarray(trace[name]).tobytes()) for name in self.firmware.layer_names]
        return [n for n, a, b in zip(self.firmware.layer_names, digests, expected, strict=True) if a != b]

    def provoke(self, kind: str) -> None:
        """Make the firmware misbehave ("null_call", ...). Raises TargetFault when it has, LinkError if it survives."""
        with self._explained():
            self.client.provoke(kind)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A crash that the firmware reports itself, with the names that only its ELF knows."""
        try:
            yield
        except DeviceFault as fault:
            raise explain(fault, self.firmware.elf) from fault

    def run(self, photo: Photo, progress: Progress | None = None) -> Run:
        """Run an image and compare it with the references.

        Boxes and every layer's digest are compared; where a layer differs, a second inference taps the first such
        layer, so that the run says which value differs. Raises TargetError and LinkError where target or link fail.
        """
        before = self._link_counts()
        result = self.infer(photo.pixels, progress)
        counts = self._link_counts()
        trace = integer.run(self.firmware.graph, photo.pixels)
        differing = self.differing_layers(result, trace)
        divergence = self._locate(photo, differing, trace) if differing else None
        link = LinkCounts(*(after - start for after, start in zip(counts, before, strict=True)))
        reference = decode.detect(self.firmware.graph, trace)
        classes = self._classification(photo, result, trace)
        findings = Findings(photo, result, differing, divergence, reference, classes, link)
        chip = (self.hello or self.client.hello()).unique_id
        return judge(findings, self.firmware, self.target, self.limits, chip)

    def _classification(self, photo: Photo, result: Result, trace: Trace) -> Classification | None:
        """What a classifier says; None from a detector."""
        network = self.firmware.network
        if result.logits is None or not isinstance(network, Classifier):
            return None
        return classification(network, self.firmware.graph, result.logits, trace, photo.pixels)

    def _locate(self, photo: Photo, differing: list[str], trace: Trace) -> Divergence:
        """The first value that differs, by tapping the first layer whose digest does."""
        first = differing[0]
        found = first_difference(first, self.tap(photo.pixels, first), trace[first])
        if found is None:
            raise HilError(
                f"{first} differed from the reference while the image ran and agrees when it is run again: "
                "the target is not deterministic; run it once more, and check the board's supply and clock"
            )
        return found

    def _link_counts(self) -> tuple[int, int, int]:
        statistics = self.client.statistics
        return statistics.bytes_in, statistics.bytes_out, statistics.retries


def check_hello(hello: Hello, firmware: Firmware) -> None:
    """Raise HilError unless the device that answered runs this firmware, on this board."""
    wanted = firmware.plan
    expected = {
        "board": (hello.board, firmware.preset, f"pass --board {hello.board} or connect the other board"),
        "model": (hello.model_name, wanted["model"], "flash the firmware of the model that you name"),
        "model hash": (hello.model_hash, wanted["model_hash"], "the checkpoint has changed: build and flash it again"),
        "build id": (hello.build_id, firmware.build_id, "the sources have changed: build and flash it again"),
    }
    for what, (found, wanted_value, remedy) in expected.items():
        if found != wanted_value:
            raise HilError(f"the device has {what} {found}, expected {wanted_value}: {remedy}")
