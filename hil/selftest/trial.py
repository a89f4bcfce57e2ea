"""One mutant, run on freshly drawn images, and the checks that noticed it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hil import targets
from hil.bench import drawn
from hil.bench.limits import Limit, Limits, load_limits
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware.build import NATIVE, Firmware
from hil.reference.photo import Photo
from hil.selftest.mutant import Outcome
from hil.selftest.workshop import Workshop
from hil.targets.base import Target

Change = Callable[[Any], Any]
IMAGES = 2
SPARE = 12  # images drawn before a sound firmware is said to fail
ROOM = 1.1  # times what the sound firmware's distance to the float model is on the same images
FLOAT_LIMITS = ("outputs.offset_error", "outputs.score_error", "logits.distance_to_float")


@dataclass
class Bait:
    """A workshop with the images, drawn when it is set up, and the limits that its sound firmware passes with."""

    workshop: Workshop
    limits: Limits
    photos: list[Photo] = field(default_factory=list)

    def run(self, firmware: Firmware | None = None, **changes: Change) -> Outcome:
        """Run the images and say what failed. firmware: the sound one without.

        changes, each a function of what it replaces: target, client (of the link, when the bench is set up), bench.
        """
        firmware = firmware or self.workshop.firmware
        try:
            for run in self._runs(firmware, changes):
                if not run.passed:
                    return outcome(run)
        except HilError as error:
            return Outcome((type(error).__name__,), str(error))
        finally:
            self.workshop.discard(firmware)
        return Outcome(())

    def _runs(self, firmware: Firmware, changes: dict[str, Change]) -> list[Run]:
        target: Target = targets.create(NATIVE if firmware.is_native else "sim", firmware.board)
        target = changes.get("target", lambda same: same)(target)
        bench = Bench(firmware, target, self.limits)
        changes.get("bench", lambda same: same)(bench)
        found = []
        with bench:
            changes.get("client", lambda same: same)(bench.client)
            for photo in self.photos:
                found.append(bench.run(photo))
                if not found[-1].passed:
                    break
        return found


def outcome(run: Run) -> Outcome:
    """What a run failed for."""
    killers = tuple(fault.name for fault in run.faults)
    killers += () if run.bit_exact or killers else ("bit_exact",)
    divergence = run.divergence
    where = None if divergence is None else divergence.layer + (f".{divergence.state}" if divergence.state else "")
    return Outcome(killers, str(divergence or (run.faults[0] if run.faults else "")), where)


def set_up(workshop: Workshop) -> Bait:
    """Draw images, and measure on them what the limits against the float model may be.

    Raises HilError where the sound firmware fails on too many drawn images.
    """
    firmware = workshop.firmware
    declared = load_limits(firmware.board, "default")
    bait = Bait(workshop, {name: limit for name, limit in declared.items() if name not in FLOAT_LIMITS})
    worst: dict[str, float] = {}
    why = ""
    for _ in range(SPARE):
        photo = drawn.draw(firmware.network.spec, drawn.fresh_seed())
        (run,) = dataclasses.replace(bait, photos=[photo])._runs(firmware, {})
        if not run.passed:
            why = outcome(run).message
            continue
        bait.photos.append(photo)
        for m in run.measurements:
            if m.name in FLOAT_LIMITS and m.value is not None:
                worst[m.name] = max(worst.get(m.name, 0.0), m.value)
        if len(bait.photos) == IMAGES:
            bait.limits = bait.limits | {name: Limit(ROOM * value) for name, value in worst.items()}
            return bait
    raise HilError(f"{workshop.subject.name}: the sound firmware fails on drawn images: {why}")


def attempt_source(name: str, text: str) -> Callable[[Bait], Outcome]:
    """Build with a source replaced, and run."""
    return partial(_with_source, name, text)


def _with_source(name: str, text: str, bait: Bait) -> Outcome:
    return bait.run(bait.workshop.changed({name: text}))
