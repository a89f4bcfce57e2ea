"""A target that runs a firmware: boot it, run images through it, look into its layers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hil.bench.build import Firmware, float_boxes
from hil.bench.classify import Classification, classification
from hil.bench.compare import Boxes, Divergence, differing_boxes, first_difference, largest_distance, unmatched
from hil.bench.limits import Limits, Measurement, apply_limits, load_limits
from hil.bench.photo import Photo
from hil.bench.run import Cycles, FirmwareFacts, ImageFacts, LinkCounts, Ram, Run
from hil.compiler import decode, integer
from hil.compiler.integer import Trace
from hil.errors import HilError
from hil.link import Client, DeviceFault, Hello, Result
from hil.reference.classifiers import Classifier
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
        self.limits = load_limits(firmware.board, firmware.network_name) if limits is None else limits
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
        classes = self._classification(photo, result, trace)
        reference = decode.detect(self.firmware.graph, trace)
        return self._judge(photo, result, differing, divergence, reference, link, classes)

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

    def _judge(
        self, photo: Photo, result: Result, differing: list[str], divergence: Divergence | None, reference: Boxes,
        link: LinkCounts, classes: Classification | None,
    ) -> Run:  # fmt: skip
        firmware, sizes = self.firmware, self.firmware.sizes
        device = np.asarray(result.detections, np.float32).reshape(-1, 5)
        floating = float_boxes(firmware.network, photo.pixels)
        cycles, ram = self._cycles(result), self._ram(result)
        flash_bytes = sizes.flash_bytes if sizes else None
        wrong_boxes = differing_boxes(device, reference)
        measurements = self._measurements(cycles, ram, link, flash_bytes) + [
            Measurement("layers.differing", len(differing), "layer", 0),
            Measurement("boxes.differing", wrong_boxes, "box", 0),
            Measurement("boxes.unmatched_with_float", unmatched(device, floating) + unmatched(floating, device), "box"),
            Measurement("boxes.distance_to_float", largest_distance(device, floating), "1 - IoU"),
            *_of_classes(classes),
        ]
        return Run(
            target=self.target.name,
            board=firmware.board.name,
            model=firmware.model,
            firmware=FirmwareFacts(firmware.build_id, flash_bytes),
            image=_image_facts(photo),
            detections=device,
            reference_detections=reference,
            float_detections=floating,
            bit_exact=not differing and not wrong_boxes and not (classes and classes.differing),
            divergence=divergence,
            cycles=cycles,
            ram=ram,
            link=link,
            measurements=apply_limits(measurements, self.limits),
            classification=classes,
        )

    def _cycles(self, result: Result) -> Cycles:
        source, clock_hz = self.target.capabilities.cycles, self.firmware.board.clock_hz
        if source is None or result.layer_cycles is None:
            return Cycles(None, clock_hz, None, None, None)
        layers = dict(zip(self.firmware.layer_names, result.layer_cycles, strict=True))
        return Cycles(source, clock_hz, result.total_cycles, layers, result.decode_cycles)

    def _ram(self, result: Result) -> Ram:
        """Memory in the device's own figures; a host build's variables and stack say nothing about the device's."""
        planned, used = self.firmware.plan["arena_bytes"], result.arena_used
        sizes, bound = self.firmware.sizes, self.firmware.stack_bound
        stack, heap = result.stack_used, result.heap_used
        if sizes is None or stack is None or heap is None:
            return Ram(None, planned, used, None, None, None, None)
        total = sizes.static_bytes + stack + heap
        bound_bytes = bound.bytes if bound else None
        return Ram(sizes.static_bytes, planned, used, stack, bound_bytes, heap, total, sizes.static_by_memory)

    def _measurements(self, cycles: Cycles, ram: Ram, link: LinkCounts, flash_bytes: int | None) -> list[Measurement]:
        """The numbers of a run, with the limits that follow from the board and the plan."""
        board = self.firmware.board
        observed = self.target.observed()
        seen = observed.stack_used if observed else None
        gap = abs(seen - ram.stack_used) if seen is not None and ram.stack_used is not None else None
        return [
            Measurement("cycles.total", cycles.total, "cycle"),
            Measurement("ram.total_bytes", ram.total_bytes, "byte"),
            Measurement("ram.static_bytes", ram.static_bytes, "byte"),
            Measurement("ram.arena_used", ram.arena_used, "byte", ram.arena_planned),
            Measurement("ram.stack_used", ram.stack_used, "byte", ram.stack_bound),
            Measurement("ram.stack_bound", ram.stack_bound, "byte", board.stack_bytes),
            Measurement("ram.heap_used", ram.heap_used, "byte"),
            Measurement("watermarks.disagreement", gap, "byte"),
            Measurement("firmware.flash_bytes", flash_bytes, "byte", board.flash.bytes),
            Measurement("link.retries", link.retries, "frame"),
        ]


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


def _of_classes(classes: Classification | None) -> list[Measurement]:
    """The numbers that only a classifier's run has."""
    if classes is None:
        return []
    return [
        Measurement("logits.differing", classes.differing, "logit", 0),
        Measurement("logits.distance_to_float", classes.distance_to_float, "logit"),
        Measurement("class.differs_from_float", int(classes.predicted != classes.float_predicted), "image"),
    ]


def _image_facts(photo: Photo) -> ImageFacts:
    height, width, _ = photo.pixels.shape
    return ImageFacts(_shown(photo.path), photo.sha256, width, height, photo.fitted)


def _shown(path: Path | None) -> str | None:
    return None if path is None else str(path)
