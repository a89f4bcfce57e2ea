"""Whether a device's cycles can be true: a counter that stands still or runs double reports figures like any other."""

from __future__ import annotations

from collections.abc import Iterator

from hil.bench.run import Cycles
from hil.link.messages import Counter

MACS_A_CYCLE = 2  # SMLAD, SMLALD: two multiply-accumulates an instruction, an instruction a cycle at best
MOST_OFF_LAYER = 4  # times more or less than predicted; measured: 1.8, where every box of a head passes
SMALL = 0.02  # of the total: what a layer has to take for its prediction to be one that holds
SUM_TOLERANCE = 0.005  # of the total: what no part counts, the calls of a row and of the end
UNCOUNTED_A_ROW = 120  # cycles; measured: 78. It is what counts of a network that takes less than 24,000 a row


def implausible(
    cycles: Cycles,
    counter: Counter,
    macs: dict[str, int],
    elapsed: int | None,
    predicted: dict[str, int] | None = None,
    decodes: bool = False,
    rows: int = 0,
) -> list[str]:
    """What is wrong with the figures, each in words.

    counter: what the device says of it; macs: multiply-accumulates that a layer makes of any image; elapsed: cycles
    that the target itself saw pass from before the image to after it, None where it cannot tell; predicted: the
    compiler's cycles of each layer, where these kernels have any; decodes: whether boxes are decoded; rows: of the
    image.
    """
    if counter == Counter.STANDS_STILL:
        return ["the device's cycle counter stands still: something has switched it off (DEMCR.TRCENA, DWT_CTRL)"]
    if counter == Counter.RAN_BACK:
        return ["the device's cycle counter went backwards: something has set it while an image ran"]
    of_layers, of_total = _of_layers(cycles, macs, predicted or {}), _of_total(cycles, macs, elapsed, rows)
    return [*of_layers, *of_total, *_of_rest(cycles, decodes)]


def _of_layers(cycles: Cycles, macs: dict[str, int], predicted: dict[str, int]) -> Iterator[str]:
    for name, spent in (cycles.layers or {}).items():
        least, expected = macs[name] // MACS_A_CYCLE, predicted.get(name, 0)
        if spent == 0:
            yield f"layer {name} took no {cycles.unit}"
        elif spent < least:
            yield f"layer {name} took {spent} {cycles.unit}, at least {least} are needed for its {macs[name]} MACs"
        elif (
            expected
            and max(spent, expected) >= SMALL * (cycles.total or 0)
            and not expected / MOST_OFF_LAYER <= spent <= expected * MOST_OFF_LAYER
        ):
            yield f"layer {name} took {spent} {cycles.unit}, {expected} were predicted"


def _of_rest(cycles: Cycles, decodes: bool) -> Iterator[str]:
    if not cycles.schedule:
        yield f"the schedule took no {cycles.unit}"
    if decodes and not cycles.decode:
        yield f"decoding took no {cycles.unit}"


def _of_total(cycles: Cycles, macs: dict[str, int], elapsed: int | None, rows: int) -> Iterator[str]:
    total, layers = cycles.total or 0, sum((cycles.layers or {}).values())
    parts = layers + (cycles.decode or 0) + (cycles.schedule or 0)
    least = sum(macs.values()) // MACS_A_CYCLE
    if abs(parts - total) > max(SUM_TOLERANCE * total, UNCOUNTED_A_ROW * rows):
        yield f"layers, decoding and schedule make {parts} {cycles.unit}, the total is {total}"
    if total < least:
        yield f"the image took {total} {cycles.unit}, at least {least} are needed for its {sum(macs.values())} MACs"
    if elapsed is not None and total > elapsed:
        yield f"the image took {total} {cycles.unit}, while the target saw {elapsed} pass"


def off_prediction(cycles: Cycles, predicted: int) -> float | None:
    """How many times more or less the total is than the compiler predicted; None without one of the two."""
    if not cycles.total or not predicted:
        return None
    return max(cycles.total / predicted, predicted / cycles.total)
