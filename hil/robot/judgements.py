"""Keywords that say what a run should be like. One that fails says what it found, and shows the run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from robot.api import SkipExecution, logger
from robot.api.deco import keyword

from hil.bench.compare import Boxes, iou
from hil.bench.run import Run
from hil.reading import share
from hil.report.terminal import figure
from hil.robot import log
from hil.robot.stage import Stage


class JudgementKeywords:
    """All about the latest `Stream Image`."""

    stage: Stage

    # -- what was computed

    @keyword
    def detections_should_match_reference(self) -> None:
        """Fails unless every layer and every box equals the integer reference's, bit by bit.

        The message names the first layer that differs, the place in it and both values.
        """
        with self._shown("photo") as run:
            if run.divergence is not None:
                raise AssertionError(f"the device differs from the reference: {run.divergence}")
            if not run.bit_exact:
                raise AssertionError(_difference(run.detections, run.reference_detections))

    @keyword
    def detections_should_match_float_model(self, within: float = 0.1) -> None:
        """Fails unless each confident box of the device lies on one of the float model, and the reverse.

        ``within``: how far two boxes may be apart, as 1 - IoU.
        """
        share(within, "within")
        with self._shown("photo") as run:
            lonely = self._measured("boxes.unmatched_with_float")
            distance = self._measured("boxes.distance_to_float")
            if lonely:
                raise AssertionError(f"{figure(lonely)} boxes are on the device or in the float model alone")
            if distance is not None and distance > within:
                raise AssertionError(f"the float model's boxes are up to {distance:.3f} (1 - IoU) away, limit {within}")
            logger.info(f"at most {distance} (1 - IoU) apart in {run.image.path}")

    @keyword
    def box_should_be_found_at(
        self, x0: float, y0: float, x1: float, y1: float, overlap: float = 0.5, score: float = 0.5
    ) -> None:
        """Fails unless the device has a box there, in pixels of the image as sent.

        ``overlap``: the least intersection over union with one of the device's; ``score``: how sure it must be.
        """
        share(overlap, "overlap")
        share(score, "score")
        with self._shown("photo") as run:
            sure = run.detections[run.detections[:, 4] >= score]
            shared = iou(sure, np.array([[x0, y0, x1, y1, 1]]))[:, 0]
            if not (shared >= overlap).any():
                place = f"({x0:g}, {y0:g}, {x1:g}, {y1:g})"
                nearest = "none is that sure"
                if len(sure):
                    nearest = f"the nearest is {_described(sure[shared.argmax()])}, IoU {shared.max():.2f}"
                raise AssertionError(f"no box scores {score} with IoU {overlap} at {place}: {nearest}")

    @keyword
    def best_score_should_be_above(self, score: float) -> None:
        """Fails unless the score of the device's best box, 0 to 1, is above this."""
        share(score, "score")
        with self._shown("photo") as run:
            best = max(run.detections[:, 4].tolist(), default=None)
            if best is None or best <= score:
                raise AssertionError(f"the best score is {best}, expected above {score}")

    @keyword
    def no_confident_box_should_be_found(self, score: float = 0.5) -> None:
        """Fails if any of the device's boxes has this score, 0 to 1, or a higher one."""
        share(score, "score")
        with self._shown("photo") as run:
            found = [_described(box) for box in run.detections if box[4] >= score]
            if found:
                raise AssertionError(f"{len(found)} boxes score {score} or more: {'; '.join(found)}")

    # -- what it took

    @keyword
    def cycles_should_be_below(self, limit: int, layer: str | None = None) -> None:
        """Fails unless the image, or one layer of it, took fewer cycles. Skips if the target cannot count cycles.

        | Cycles Should Be Below    300 000 000
        | Cycles Should Be Below    100 000 000    layer=rnnpool
        """
        with self._shown("cycles") as run:
            self._must_be_measured("cycles.total")
            self._must_be_true("cycles.implausible", "cycles.off_prediction")
            if run.cycles.source in (None, "instructions") or run.cycles.layers is None:
                raise SkipExecution(f"target {run.target} cannot count cycles: use TARGET:sim")
            if layer is not None and layer not in run.cycles.layers:
                raise AssertionError(f"no layer is called {layer}: there are {', '.join(run.cycles.layers)}")
            found = run.cycles.layers[layer] if layer else run.cycles.total or 0
            if found >= limit:
                what = f"layer {layer}" if layer else "the image"
                raise AssertionError(
                    f"{what} took {figure(found)} cycles, limit {figure(limit)}; most went to {_costliest(run)}"
                )

    @keyword
    def stack_high_water_mark_should_be_below(self, limit: int) -> None:
        """Fails if the firmware used this many bytes of stack or more, or more than the static bound.

        Skips where the target has the computer's stack and not the board's.
        """
        with self._shown("memory") as run:
            self._must_be_true("ram.stack_used", "watermarks.stack_beyond")
            used, bound = self._known(run.ram.stack_used, "stack"), run.ram.stack_bound
            if used >= limit:
                raise AssertionError(f"{used} bytes of stack were used, limit {limit} (static bound {bound})")
            if bound is not None and used > bound:
                raise AssertionError(f"{used} bytes of stack were used, although the static bound is {bound}")

    @keyword
    def heap_high_water_mark_should_be_below(self, limit: int) -> None:
        """Fails if the firmware used this many bytes of heap or more. Skips if the target uses the host's heap."""
        with self._shown("memory") as run:
            self._must_be_true("ram.heap_used", "watermarks.heap_beyond")
            used = self._known(run.ram.heap_used, "heap")
            if used >= limit:
                raise AssertionError(f"{used} bytes of heap were used, limit {limit}")

    @keyword
    def arena_should_be_used_as_planned(self, at_least: float = 0.5) -> None:
        """Fails if the network wrote beyond its planned buffers, or used less than this share of them, 0 to 1."""
        share(at_least, "at_least")
        with self._shown("memory") as run:
            self._must_be_measured("ram.arena_used")
            self._must_be_true("watermarks.arena_beyond")
            used, planned = self._known(run.ram.arena_used, "arena"), run.ram.arena_planned
            if not at_least * planned <= used <= planned:
                raise AssertionError(f"{figure(used)} bytes of the arena were used, {figure(planned)} are planned")

    @keyword
    def ram_should_be_below(self, limit: int) -> None:
        """Fails if variables, stack and heap together take this many bytes or more. Skips on the target native."""
        with self._shown("memory") as run:
            self._must_be_measured("ram.total_bytes")
            self._must_be_true("ram.stack_used", "ram.heap_used", "watermarks.stack_beyond", "watermarks.heap_beyond")
            used = self._known(run.ram.total_bytes, "RAM")
            if used >= limit:
                raise AssertionError(f"{figure(used)} bytes of RAM are taken, limit {figure(limit)}")

    @keyword
    def watermarks_should_agree(self, within: int = 32) -> None:
        """Fails if the stack used by its paint and the stack seen from outside differ by more than these bytes."""
        with self._shown("memory"):
            self._must_be_measured("watermarks.disagreement")
            gap = self._measured("watermarks.disagreement")
            if gap is None:
                raise SkipExecution(f"target {self.stage.target} cannot look from outside: use TARGET:sim")
            if gap > within:
                raise AssertionError(f"painted and observed stack differ by {gap:g} bytes, limit {within}")

    @keyword
    def measurements_should_keep_their_limits(self) -> None:
        """Fails if a measurement exceeds its limit, or is missing although the target can measure it; lists those."""
        with self._shown("measurements") as run:
            if run.faults:
                raise AssertionError("; ".join(map(str, run.faults)))

    # -- how it is shown

    @contextmanager
    def _shown(self, part: str) -> Iterator[Run]:
        """Show a part of the run; all of it where the judgement fails."""
        subject = self.stage.subject
        try:
            yield subject.run
        except AssertionError:
            logger.info(log.whole(subject), html=True)
            raise
        shown = {
            "photo": lambda: log.photo(subject), "cycles": lambda: log.cycles(subject.run),
            "memory": lambda: log.memory(subject), "measurements": lambda: log.measurements(subject.run.measurements),
        }[part]  # fmt: skip
        logger.info(shown(), html=True)

    def _known(self, value: int | None, what: str) -> int:
        if value is None:
            raise SkipExecution(
                f"target {self.stage.target} has the computer's {what}, not the board's: use TARGET:sim"
            )
        return value

    def _must_be_true(self, *names: str) -> None:
        """Whoever limits a figure takes for granted that it can be true."""
        self._must_be_measured(*names)
        if faults := [fault for fault in self.stage.run.faults if fault.name in names]:
            raise AssertionError("; ".join(map(str, faults)))

    def _must_be_measured(self, *names: str) -> None:
        """A figure that the target can measure is missing for another reason than the target."""
        if missing := [m for m in self.stage.run.measurements if m.name in names and m.is_missing]:
            raise AssertionError("; ".join(map(str, missing)))

    def _measured(self, name: str) -> float | None:
        values = {m.name: m.value for m in self.stage.run.measurements}
        if name not in values:
            raise AssertionError(f"no measurement is called {name!r}: there are {', '.join(values)}")
        return values[name]


def _costliest(run: Run, count: int = 3) -> str:
    total, layers = run.cycles.total or 1, run.cycles.layers or {}
    first = sorted(layers.items(), key=lambda item: -item[1])[:count]
    return ", ".join(f"{name} ({figure(spent)}, {100 * spent / total:.0f} %)" for name, spent in first)


def _difference(device: Boxes, reference: Boxes) -> str:
    """The first box that is another one."""
    for index, (found, wanted) in enumerate(zip(device, reference, strict=False)):
        if not np.array_equal(found, wanted):
            return f"all layers agree, box {index} does not: {_described(found)}, expected {_described(wanted)}"
    return f"all layers agree, the number of boxes does not: {len(device)}, expected {len(reference)}"


def _described(box: Boxes) -> str:
    x0, y0, x1, y1, score, *label = box.tolist()
    said = f"({x0:.2f}, {y0:.2f}, {x1:.2f}, {y1:.2f}) score {score:.4f}"
    return f"{said} class {label[0]:.0f}" if label else said
