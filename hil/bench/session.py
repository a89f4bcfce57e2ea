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
from hil.bench.judge import Findings, Outside, judge
from hil.bench.limits import Limits, limits_of
from hil.bench.marks import Memory, arena_beyond, heap_beyond, remember, stack_beyond
from hil.bench.run import LinkCounts, Run
from hil.bench.tensors import TensorFound, tensors_found
from hil.compiler import decode, integer
from hil.compiler.check import check_plan
from hil.compiler.integer import Trace
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.link import Client, DeviceFault, Hello, ProtocolError, Result
from hil.reference.classifiers import Classifier
from hil.reference.own import Tensors
from hil.reference.photo import Photo, from_array
from hil.targets.base import EndsLoops, Target
from hil.targets.reported import explain

Progress = Callable[[float], None]
PORTABLE = 6  # times what is predicted, which is for the fast kernels


class Bench:
    """One firmware on one target. A context manager; entering boots and checks who answers.

    limits: what measurements may be; the board's own without. on_run: told of every run. Raises HilError where another
    firmware, model or board answers than the bench has built for.
    """

    def __init__(self, firmware: Firmware, target: Target, limits: Limits | None = None) -> None:
        self.firmware = firmware
        self.target = target
        self.limits = limits_of(firmware) if limits is None else limits
        busy_s = _busy_s(firmware)
        self.client = Client(target, busy_s=busy_s)
        if isinstance(target, EndsLoops):
            target.expect_work(2 * busy_s)
        self.hello: Hello | None = None
        self.sent: Photo | None = None  # the latest image, and what came of it: what a failure is about
        self.judged: Run | None = None
        self.on_run: Callable[[Run], None] = lambda run: None
        self._memory: Memory | None = None
        self._judged_since_boot = 0

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.target.close()

    def boot(self) -> Hello:
        """Load the firmware, start it and make sure that it is the one that was built."""
        self.sent, self.judged, self._judged_since_boot = None, None, 0
        check_plan(self.firmware.plan, self.firmware.graph)
        _ = self.firmware.elf_hash  # complains about a file that is not as it was built, before it runs
        self.target.boot(self.firmware.elf)
        self.hello = self.client.hello()
        check_hello(self.hello, self.firmware)
        self._memory = remember(self.target, self.firmware.elf)
        return self.hello

    def infer(self, pixels: NDArray[np.uint8], progress: Progress | None = None) -> Result:
        """Stream an image, with digests of all tensors in the result."""
        if self.sent is None or self.sent.pixels is not pixels:
            self.sent, self.judged = from_array(pixels), None
        report = None if progress is None else lambda taken, total: progress(taken / total)
        with self._explained():
            return self.client.infer(pixels, digests=True, progress=report)

    def tap(self, pixels: NDArray[np.uint8], tensor: str) -> NDArray[np.integer]:
        """A (H, W, C) tensor on the device, by a layer's or another name of the plan, for an image. One inference.

        Raises ProtocolError where the device has another amount of it than the plan.
        """
        index = self.firmware.tensor_names.index(tensor)
        shape = self.firmware.plan["tensors"][index]
        dtype = np.dtype(shape["dtype"]).newbyteorder("<")
        with self._explained():
            found = self.client.infer(pixels, tap=index).tap
        assert found is not None, "an inference with a tap returns one"
        size = shape["height"], shape["width"], shape["channels"]
        if found.size != np.prod(size) * dtype.itemsize:
            raise ProtocolError(
                f"{tensor} has {found.size} bytes on the board, {size} {dtype.name} in its firmware's plan"
            )
        return np.frombuffer(found.tobytes(), dtype).reshape(size)

    def differing_tensors(self, result: Result, trace: Trace) -> list[str]:
        """The tensors whose digest is not the reference's, in the order in which they are computed.

        Raises ProtocolError where the device has digests of other tensors than the plan.
        """
        names, digests = self.firmware.tensor_names, result.digests or []
        if len(digests) != len(names):
            raise ProtocolError(
                f"the board has digests of {len(digests)} tensors, its firmware's plan names {len(names)}"
            )
        if undigested := sorted(set(trace) - set(names)):
            raise ProtocolError(
                f"the firmware's plan names no {', '.join(undigested)}, so nothing tells what became of it"
            )
        expected = [zlib.crc32(np.ascontiguousarray(trace[name]).tobytes()) for name in names]
        return sorted((n for n, a, b in zip(names, digests, expected, strict=True) if a != b), key=self._moment)

    def _moment(self, tensor: str) -> tuple[int, bool]:
        """When a tensor is computed: the image first, states before their layer's output, what is decoded last."""
        layers, (layer, _, state) = self.firmware.layer_names, tensor.partition(".")
        number = -1 if layer == "image" else layers.index(layer) if layer in layers else len(layers)
        return number, not state

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

        Boxes and every tensor's digest are compared; where one differs, a second inference taps the first such tensor,
        so that the run says which value differs. The first image since boot has all layers held against floating point,
        a later one a part of them, by turns. Raises TargetError and LinkError where target or link fail.
        """
        self.sent, self.judged = photo, None
        if self._judged_since_boot:
            self._ask_again()
        before, begun = self._link_counts(), self._awake()
        result = self.infer(photo.pixels, progress)
        counts, outside = self._link_counts(), self._outside(result, begun)
        trace = integer.run(self.firmware.graph, photo.pixels)
        differing = self.differing_tensors(result, trace)
        divergence = self._locate(photo, differing, trace) if differing else None
        link = LinkCounts(*(after - start for after, start in zip(counts, before, strict=True)))
        reference = decode.detect(self.firmware.graph, trace)
        classes = self._classification(photo, result, trace)
        tensors = self._tensors(photo, trace, differing)
        chip = (self.hello or self.client.hello()).unique_id
        turn = self._judged_since_boot or None
        found = Findings(
            photo, result, differing, divergence, trace, reference, classes, link, outside, chip, tensors, turn
        )
        run = judge(found, self.firmware, self.target, self.limits)
        self.judged, self._judged_since_boot = run, self._judged_since_boot + 1
        self.on_run(run)
        return run

    def _ask_again(self) -> None:
        """Raises HilError where the device is not the one that the image before ran on, or has started since."""
        now, before = self.client.hello(), self.hello
        check_hello(now, self.firmware)
        if before is not None and now.boots != before.boots:
            raise HilError(
                "the device has started again since the image before: it was reset, or lost its supply; boot it by the "
                "bench, which then looks at it as new"
            )

    def _awake(self) -> int | None:
        """What the target has counted since boot, without sleep."""
        seen = self.target.observed()
        return seen.awake if seen else None

    def _outside(self, result: Result, begun: int | None) -> Outside:
        """What the target saw, as soon as the image has run."""
        seen = self.target.observed()
        now = seen.awake if seen else None
        return Outside(
            now - begun if now is not None and begun is not None else None,
            seen.stack_used if seen else None,
            stack_beyond(self.target, self.firmware.elf, result.stack_used),
            heap_beyond(self.target, self._memory, result.heap_used),
            arena_beyond(self.target, self.firmware.elf, result.arena_used),
        )

    def _classification(self, photo: Photo, result: Result, trace: Trace) -> Classification | None:
        """What a classifier says; None from a detector. Raises ProtocolError for logits of other classes, or none."""
        network = self.firmware.network
        if not isinstance(network, Classifier):
            return None
        if result.logits is None or len(result.logits) != len(network.spec.classes):
            counts = f"{len(result.logits or [])} logits for the {len(network.spec.classes)} classes"
            raise ProtocolError(f"the board has {counts} of {network.spec.name}")
        return classification(network, self.firmware.graph, result.logits, trace, photo.pixels)

    def _tensors(self, photo: Photo, trace: Trace, differing: list[str]) -> tuple[TensorFound, ...]:
        """What a network of plain tensors gives on the device; nothing from any other.

        Raises HilError for an output that is read as something else than what the device took its digest of.
        """
        network = self.firmware.network
        if not isinstance(network, Tensors):
            return ()

        def tap(layer: str) -> NDArray[np.integer]:
            found = self.tap(photo.pixels, layer)
            divergence = None if layer in differing else first_difference(layer, found, trace[layer])
            if divergence is not None:
                raise HilError(f"{layer} was read from the device as something else than it had made: {divergence}")
            return found

        return tensors_found(network, self.firmware.graph, tap, photo.pixels)

    def _locate(self, photo: Photo, differing: list[str], trace: Trace) -> Divergence:
        """The first value that differs, by tapping the first tensor whose digest does."""
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


def _busy_s(firmware: Firmware) -> float:
    """How long a board may compute at a stretch: a row of the image can set off all of the network, as DenseNet's."""
    predicted: int = sum(layer["predicted_cycles"] for layer in firmware.plan["layers"])
    return predicted * (1 if firmware.kernels == "fast" else PORTABLE) / firmware.board.clock_hz


def check_hello(hello: Hello, firmware: Firmware) -> None:
    """Raise HilError unless the device that answered runs this firmware, on this board."""
    wanted = firmware.plan
    expected = {
        "board": (hello.board, firmware.preset, f"pass --board {hello.board} or connect the other board"),
        "model": (hello.model_name, firmware.said_name, "flash the firmware of the model that you name"),
        "model hash": (hello.model_hash, wanted["model_hash"], "the checkpoint has changed: build and flash it again"),
        "build id": (hello.build_id, firmware.build_id, "the sources have changed: build and flash it again"),
        "ELF hash": (hello.elf_hash, firmware.elf_hash, f"it runs another than {firmware.shown_elf}: flash that"),
        **{
            what: (found, of_plan, "it says of itself what this firmware is not: build and flash it again")
            for what, (found, of_plan) in _sizes(hello, firmware).items()
        },
    }
    for what, (found, wanted_value, remedy) in expected.items():
        if found != wanted_value:
            raise HilError(f"the device has {what} {found}, expected {wanted_value}: {remedy}")


def _sizes(hello: Hello, firmware: Firmware) -> dict[str, tuple[object, object]]:
    """What the device says of itself beside its names, and what it has to be; the host has no clock and no stack."""
    plan, board = firmware.plan, firmware.board
    image, detector = plan["input"], plan["detector"]
    said: dict[str, tuple[object, object]] = {
        "input": (
            (hello.width, hello.height, hello.channels),
            tuple(image[side] for side in ("width", "height", "channels")),
        ),
        "rows a tile": (hello.tile_rows, image["tile_rows"]),
        "layers": (hello.layers, len(plan["layers"])),
        "tensors": (hello.tensors, len(plan["tensors"])),
        "bytes of arena": (hello.arena_bytes, plan["arena_bytes"]),
        "most detections": (hello.max_detections, detector["detections"] if detector else 0),
    }
    if not firmware.is_native:
        said |= {
            "clock": (hello.clock_hz, board.clock_hz),
            "bytes of stack": (hello.stack_bytes, firmware.stack_room),
            "baud": (hello.baud, board.uart.baud),
        }
    return said
