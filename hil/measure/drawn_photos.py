"""Two emulators on the same firmware and drawn photos: the first thing in which they differ. One of them has a bug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from hil import targets
from hil.bench import drawn
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.link import Result
from hil.targets.base import Target
from hil.targets.wrapper import Wrapper

Step = Callable[[str, float], None]
# of a result, what is each target's own left out: cycles and stack
ANSWERS = ("detections", "logits", "heap_used", "arena_used", "board_damaged", "board_repeated", "board_overruns")


class Listener(Wrapper):
    """Notes what goes to the board."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.sent = bytearray()

    def write(self, data: bytes) -> None:
        self.sent += data
        super().write(data)


@dataclass(frozen=True)
class Exchange:
    """What went to the board for a photo, and what came back."""

    sent: bytes
    result: Result


@dataclass(frozen=True)
class PhotoDisagreement:
    """The first in which two targets differ for the photo of a seed, and what each of them has there."""

    seed: int
    what: str
    found: tuple[object, object]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.what}: {self.found[0]} and {self.found[1]}"


def photo_disagreements(
    firmware: Firmware, seed: int, count: int, names: tuple[str, str] = ("sim", "renode"),
    step: Step = lambda what, done: None,
) -> list[PhotoDisagreement]:  # fmt: skip
    """Run the photos of the seeds from `seed` on on both targets, in one boot each.

    Raises HilError where one of them cannot be had, or its firmware crashes.
    """
    seeds = range(seed, seed + count)
    first, second = (exchanges(firmware, name, seeds, step, number / 2) for number, name in enumerate(names))
    found = (difference(firmware, *three) for three in zip(seeds, first, second, strict=True))
    return [one for one in found if one is not None]


def exchanges(firmware: Firmware, name: str, seeds: range, step: Step, begun: float) -> list[Exchange]:
    """The photos of these seeds, one after another, on a target. begun: the share of all work that was done before."""
    found = []
    listener = Listener(targets.create(name, firmware.board))
    with Bench(firmware, listener) as bench:
        for number, seed in enumerate(seeds):
            step(f"running photos on {name}", begun + number / len(seeds) / 2)
            listener.sent.clear()
            result = bench.infer(drawn.draw(firmware.network.spec, seed).pixels)
            found.append(Exchange(bytes(listener.sent), result))
    return found


def difference(firmware: Firmware, seed: int, one: Exchange, other: Exchange) -> PhotoDisagreement | None:
    """The first difference: in the bytes to the board, then in the tensors' digests, then in what the board says."""
    for at, sent in enumerate(zip_longest(one.sent, other.sent)):
        if sent[0] != sent[1]:
            return PhotoDisagreement(seed, f"byte {at} to the board", sent)
    digests = zip(firmware.tensor_names, one.result.digests or [], other.result.digests or [], strict=True)
    for name, first, second in digests:
        if first != second:
            return PhotoDisagreement(seed, f"digest of {name}", (f"{first:#010x}", f"{second:#010x}"))
    for name in ANSWERS:
        answers = getattr(one.result, name), getattr(other.result, name)
        if answers[0] != answers[1]:
            return PhotoDisagreement(seed, name, answers)
    return None
