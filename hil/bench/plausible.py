"""Whether a device's cycles can be true: a counter that stands still or runs double reports figures like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from hil.bench.run import Cycles, LinkCounts
from hil.link.messages import Counter

MACS_A_CYCLE = 2  # SMLAD, SMLALD: two multiply-accumulates an instruction, an instruction a cycle at best
MOST_OFF_LAYER = 2.5  # times more or less than predicted; measured: 1.8
MOST_OFF_CYCLES = 2_000  # as well: what setting out costs, which is most of a layer of a few pixels
SMALL = 0.02  # of the total: what a layer has to take for its prediction to be one that holds
SUM_TOLERANCE = 0.005  # of the total: what no part counts, the calls of a row and of the end
DIGESTED, SENT = 19.3, 46.0  # cycles awake besides the network's, a byte that is digested and one on the line; measured
BESIDES_MOST, BESIDES_LEAST, MOST_ONCE = 2.5, 0.5, 200_000  # times more and less, and cycles an image
UNCOUNTED_A_ROW = 120  # cycles; measured: 78. It is what counts of a network that takes less than 24,000 a row


@dataclass(frozen=True)
class Seen:
    """What the network took at the least and at most, by what the target itself saw pass while the core was awake."""

    least: int
    most: int

    @classmethod
    def of(cls, awake: int | None, link: LinkCounts, digested: int) -> Self | None:
        """awake: cycles, None where the target cannot tell; digested: bytes that the device took digests of.

        Where frames were sent again, an image may have been begun anew: then nothing says how little is too little.
        """
        if awake is None:
            return None
        besides = DIGESTED * digested + SENT * (link.bytes_in + link.bytes_out)
        least = 0 if link.retries else awake - BESIDES_MOST * besides - MOST_ONCE
        return cls(int(least), int(awake - BESIDES_LEAST * besides))


def implausible(
    cycles: Cycles,
    counter: Counter,
    macs: dict[str, int],
    seen: Seen | None,
    predicted: dict[str, int] | None = None,
    decodes: bool = False,
    rows: int = 0,
) -> list[str]:
    """What is wrong with the figures, each in words.

    counter: what the device says of it; macs: multiply-accumulates that a layer makes of any image; predicted: the
    compiler's cycles of each layer, where these kernels have any; decodes: whether boxes are decoded; rows: of the
    image.
    """
    if counter == Counter.STANDS_STILL:
        return ["the device's cycle counter stands still: something has switched it off (DEMCR.TRCENA, DWT_CTRL)"]
    if counter == Counter.RAN_BACK:
        return ["the device's cycle counter went backwards: something has set it while an image ran"]
    of_layers, of_total = _of_layers(cycles, macs, predicted or {}), _of_total(cycles, macs, seen, rows)
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
            and abs(spent - expected) > MOST_OFF_CYCLES
        ):
            yield f"layer {name} took {spent} {cycles.unit}, {expected} were predicted"


def _of_rest(cycles: Cycles, decodes: bool) -> Iterator[str]:
    if not cycles.schedule:
        yield f"the schedule took no {cycles.unit}"
    if decodes and not cycles.decode:
        yield f"decoding took no {cycles.unit}"


def _of_total(cycles: Cycles, macs: dict[str, int], seen: Seen | None, rows: int) -> Iterator[str]:
    total, layers = cycles.total or 0, sum((cycles.layers or {}).values())
    parts = layers + (cycles.decode or 0) + (cycles.schedule or 0)
    least = sum(macs.values()) // MACS_A_CYCLE
    if abs(parts - total) > max(SUM_TOLERANCE * total, UNCOUNTED_A_ROW * rows):
        yield f"layers, decoding and schedule make {parts} {cycles.unit}, the total is {total}"
    if total < least:
        yield f"the image took {total} {cycles.unit}, at least {least} are needed for its {sum(macs.values())} MACs"
    if seen is not None and total > seen.most:
        yield f"the image took {total} {cycles.unit}, the target saw at most {seen.most} pass"
    if seen is not None and total < seen.least:
        yield f"the image took {total} {cycles.unit}, the target saw at least {seen.least} pass"


def off_prediction(cycles: Cycles, predicted: int) -> float | None:
    """How many times more or less the total is than the compiler predicted; None without one of the two."""
    if not cycles.total or not predicted:
        return None
    return max(cycles.total / predicted, predicted / cycles.total)
