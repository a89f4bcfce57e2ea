"""Mutants of what a target reports: figures that are not true, answers to another question, another firmware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from hil.bench.session import Bench
from hil.link import Client, Hello, Result
from hil.link.messages import Counter
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.sources import EXACT
from hil.selftest.subjects import Subject
from hil.selftest.trial import Bait

Report = Callable[[Result], Result]
TIME = ("cycles.implausible", "cycles.off_prediction", "cycles.total")
MEMORY = ("ram.stack_used", "ram.heap_used", "ram.arena_used", "watermarks.stack_beyond", "watermarks.heap_beyond",
          "watermarks.arena_beyond", "watermarks.disagreement")  # fmt: skip
PROTOCOL = ("ProtocolError", "BadAnswer", "LinkError")
CHANGED = (
    *EXACT,
    "HilError",
)  # what is tapped then is the reference's: the bench says that the target is not the same twice


def _cycles(change: Callable[[int], int]) -> Report:
    """Every figure of time changed alike, as by a counter that runs wrong."""

    def report(result: Result) -> Result:
        assert result.layer_cycles is not None and result.total_cycles is not None
        return replace(
            result, layer_cycles=[change(spent) for spent in result.layer_cycles],
            total_cycles=change(result.total_cycles), decode_cycles=change(result.decode_cycles or 0),
            schedule_cycles=change(result.schedule_cycles or 0),
        )  # fmt: skip

    return report


def _layer(change: Callable[[int], int]) -> Report:
    def report(result: Result) -> Result:
        layers = list(result.layer_cycles or [])
        largest = layers.index(max(layers))
        layers[largest] = change(layers[largest])
        return replace(result, layer_cycles=layers)

    return report


def _moved(share: float) -> Report:
    """Part of the largest layer's time said to be the smallest's: every sum stays what it was."""

    def report(result: Result) -> Result:
        layers = list(result.layer_cycles or [])
        largest, smallest = layers.index(max(layers)), layers.index(min(layers))
        moved = int(share * layers[largest])
        layers[largest] -= moved
        layers[smallest] += moved
        return replace(result, layer_cycles=layers)

    return report


def _rotated(result: Result) -> Result:
    """Each layer's time said to be the next one's."""
    layers = list(result.layer_cycles or [])
    return replace(result, layer_cycles=[layers[-1], *layers[:-1]])


def _decoding_hidden(result: Result) -> Result:
    """The decoder's time said to be the schedule's."""
    return replace(result, decode_cycles=0, schedule_cycles=(result.schedule_cycles or 0) + (result.decode_cycles or 0))


def _with(**changes: Any) -> Report:
    """Fields replaced; a function is applied to what was there."""

    def report(result: Result) -> Result:
        new = {name: value(getattr(result, name)) if callable(value) else value for name, value in changes.items()}
        return replace(result, **new)

    return report


BOARD: tuple[tuple[str, str, tuple[str, ...], Report], ...] = (
    ("counter-frozen", "a counter that stands at 0", TIME, _cycles(lambda spent: 0)),
    ("counter-frozen-said", "a counter that the device itself saw stand still", TIME,
     _with(counter=Counter.STANDS_STILL)),
    ("counter-back", "a counter that went backwards", TIME, _with(counter=Counter.RAN_BACK)),
    ("counter-doubled", "a counter that runs double", TIME, _cycles(lambda spent: 2 * spent)),
    ("counter-halved", "a counter that runs at half speed", TIME, _cycles(lambda spent: spent // 2)),
    ("counter-slow", "a counter that counts every eighth cycle", TIME, _cycles(lambda spent: spent // 8)),
    ("counter-none", "a device that says it has no counter", TIME,
     _with(counter=Counter.NONE, total_cycles=None, layer_cycles=None, decode_cycles=None, schedule_cycles=None)),
    ("layer-zero", "a layer that took nothing", TIME, _layer(lambda spent: 0)),
    ("layer-wrapped", "a layer's sum that has wrapped", TIME, _layer(lambda spent: spent & 0xFF)),
    ("layer-more", "a layer that took longer than the image", TIME, _layer(lambda spent: spent * 100)),
    ("layer-moved", "a third of a layer's time said to be another's", TIME, _moved(1 / 3)),
    ("decode-lost", "decoding said to be the schedule", TIME, _decoding_hidden),
    ("layers-rotated", "each layer's time said to be the next one's", TIME, _rotated),
    ("layers-unknown", "a total without its layers", TIME, _with(layer_cycles=None)),
    ("total-unknown", "layers without their total", TIME, _with(total_cycles=None)),
    ("total-wrapped", "a total that has wrapped", TIME, _with(total_cycles=lambda total: total & 0xFFFFF)),
    ("counter-fast", "a counter that runs at five thirds", TIME, _cycles(lambda spent: spent * 5 // 3)),
    ("total-short", "a total that leaves a layer out", TIME, _with(total_cycles=lambda total: total * 9 // 10)),
    ("total-long", "a total with time that was not the network's", TIME,
     _with(total_cycles=lambda total: total * 11 // 10)),
    ("decode-inflated", "decoding that took longer than all", TIME, _with(decode_cycles=lambda spent: spent + 10**7)),
    ("schedule-lost", "a schedule that took nothing", TIME, _with(schedule_cycles=0)),
    ("stack-zero", "a stack that was never used", MEMORY, _with(stack_used=0)),
    ("stack-word-short", "a stack mark a word short", MEMORY, _with(stack_used=lambda used: used - 4)),
    ("stack-unknown", "a board that does not know its stack", MEMORY, _with(stack_used=None)),
    ("stack-more", "a stack mark a word deeper", MEMORY, _with(stack_used=lambda used: used + 4)),
    ("heap-huge", "a heap that no board has", MEMORY, _with(heap_used=1 << 28)),
    ("heap-unasked", "a heap that nobody asked for", MEMORY, _with(heap_used=64)),
    ("heap-unknown", "a board that does not know its heap", MEMORY, _with(heap_used=None)),
    ("arena-half", "half of the arena that was used", MEMORY, _with(arena_used=lambda used: used // 2)),
    ("arena-byte", "a byte less of the arena", MEMORY, _with(arena_used=lambda used: used - 1)),
    ("stack-full", "a stack that was not painted", MEMORY, _with(stack_used=4096)),
)  # fmt: skip
ANYWHERE: tuple[tuple[str, str, tuple[str, ...], Report], ...] = (
    ("arena-zero", "an arena that was not touched", MEMORY, _with(arena_used=0)),
    ("arena-beyond", "an arena written beyond its end", MEMORY, _with(arena_used=lambda used: used + 4096)),
    ("digest-bit", "a bit of a digest", CHANGED, _with(digests=lambda d: [d[0] ^ 1, *d[1:]])),
    ("digest-missing", "a digest too few", PROTOCOL, _with(digests=lambda d: d[:-1])),
    ("digest-surplus", "a digest too many", PROTOCOL, _with(digests=lambda d: [*d, 0])),
    ("digest-none", "no digests", PROTOCOL, _with(digests=None)),
    ("digests-swapped", "two layers' digests in each other's place", CHANGED,
     _with(digests=lambda d: [d[1], d[0], *d[2:]])),
    ("arena-unknown", "a board that does not know its arena", MEMORY, _with(arena_used=None)),
    ("digest-last", "a bit of the last digest", CHANGED, _with(digests=lambda d: [*d[:-1], d[-1] ^ 1 << 31])),
    ("digests-of-all-alike", "the first digest for every tensor", CHANGED, _with(digests=lambda d: [d[0]] * len(d))),
    ("digests-zero", "digests of nothing", CHANGED, _with(digests=lambda d: [0] * len(d))),
)  # fmt: skip
BOXES: tuple[tuple[str, str, tuple[str, ...], Report], ...] = (
    ("box-ulp", "a corner off by the least there is", EXACT,
     _with(detections=lambda d: [(float(np.nextafter(np.float32(d[0][0]), np.float32(1e9))), *d[0][1:]), *d[1:]])),
    ("box-nan", "a score that is not a number", EXACT,
     _with(detections=lambda d: [(*d[0][:4], float("nan")), *d[1:]])),
    ("box-mirrored", "a box with left for right", EXACT,
     _with(detections=lambda d: [(d[0][2], d[0][1], d[0][0], *d[0][3:]), *d[1:]])),
    ("box-lost", "the last box left out", EXACT, _with(detections=lambda d: d[:-1])),
    ("boxes-none", "no boxes at all", EXACT, _with(detections=[])),
    ("box-twice", "a box twice", EXACT, _with(detections=lambda d: [*d, d[-1]])),
    ("box-moved", "a box moved by a pixel", EXACT, _with(detections=lambda d: [(d[0][0] + 1, *d[0][1:]), *d[1:]])),
    ("box-score", "a box with another score", EXACT,
     _with(detections=lambda d: [(*d[0][:4], d[0][4] / 2), *d[1:]])),
    ("boxes-reordered", "boxes in another order", EXACT, _with(detections=lambda d: d[::-1])),
)  # fmt: skip
LOGITS: tuple[tuple[str, str, tuple[str, ...], Report], ...] = (
    ("logit-off", "a logit off by one", EXACT, _with(logits=lambda said: [said[0] + 1, *said[1:]])),
    ("logits-swapped", "the classes in each other's place", EXACT, _with(logits=lambda said: said[::-1])),
    ("logits-halved", "logits of half their size", EXACT, _with(logits=lambda said: [value // 2 for value in said])),
    ("logits-none", "no logits at all", PROTOCOL, _with(logits=None)),
    ("logit-missing", "a logit too few", PROTOCOL, _with(logits=lambda said: said[:-1])),
)  # fmt: skip
NUMBERS = ("width", "height", "channels", "tile_rows", "layers", "tensors", "arena_bytes", "max_detections")
BOARD_NUMBERS = ("clock_hz", "stack_bytes")
IDENTITY: tuple[tuple[str, str, str], ...] = (
    ("hello-build", "the build id of another build", "build_id"),
    ("hello-model", "another model's name", "model_name"),
    ("hello-model-hash", "another checkpoint's hash", "model_hash"),
    ("hello-board", "another board", "board"),
    ("hello-elf", "another ELF of the same sources", "elf_hash"),
)


def operators() -> tuple[Operator, ...]:
    """All operators that change answers."""
    found = []
    for kinds, needs in ((BOARD, ("board",)), (ANYWHERE, ("any",)), (BOXES, ("detector",)), (LOGITS, ("classifier",))):
        for name, breaks, expected, report in kinds:
            found.append(Operator(name, f"{breaks}, reported", expected, partial(_sites, name, report), needs, 1))
    numbers = [(f"hello-{name.replace('_', '-')}", f"another {name.replace('_', ' ')}", name) for name in NUMBERS]
    of_board = [
        (f"hello-{name.replace('_', '-')}", f"another {name.replace('_', ' ')}", name) for name in BOARD_NUMBERS
    ]
    for kinds_of_hello, needs in ((IDENTITY, ("any",)), (numbers, ("any",)), (of_board, ("board",))):
        for name, breaks, field in kinds_of_hello:
            sites = partial(_identity_sites, name, field)
            found.append(Operator(name, f"{breaks}, in the hello", ("HilError",), sites, needs, 1))
    yesterday = "yesterday's answer to another photo"
    found.append(
        Operator(
            "answer-of-yesterday",
            yesterday,
            (*EXACT, "HilError"),
            partial(_yesterday_sites, "answer-of-yesterday"),
            ("any",),
            1,
        )
    )
    return tuple(found)


def _sites(operator: str, report: Report, subject: Subject) -> Iterator[Mutant]:
    yield Mutant(operator, subject.name, "result", operator, partial(_attempt, report))


def _attempt(report: Report, bait: Bait) -> Outcome:
    def spoil(client: Client) -> None:
        sound = client.infer

        def infer(*arguments: Any, **options: Any) -> Result:
            found = sound(*arguments, **options)
            return report(found) if options.get("digests") else found  # what is tapped afterwards is the truth

        client.infer = infer  # type: ignore[method-assign]

    return bait.run(client=spoil)


def _identity_sites(operator: str, field: str, subject: Subject) -> Iterator[Mutant]:
    yield Mutant(operator, subject.name, field, f"{field} of the hello is another one", partial(_other_hello, field))


def _other_hello(field: str, bait: Bait) -> Outcome:
    def spoil(bench: Bench) -> None:
        sound = bench.client.hello

        def hello() -> Hello:
            found = sound()
            old = getattr(found, field)
            changes: dict[str, Any] = {field: old + 8 if isinstance(old, int) else "feedfacefeedface"}
            return replace(found, **changes)

        bench.client.hello = hello  # type: ignore[method-assign]

    return bait.run(bench=spoil)


def _yesterday_sites(operator: str, subject: Subject) -> Iterator[Mutant]:
    yield Mutant(operator, subject.name, "result", "the result of the image before", _yesterday)


def _yesterday(bait: Bait) -> Outcome:
    def spoil(client: Client) -> None:
        sound, known = client.infer, client.infer(np.flipud(bait.photos[0].pixels).copy(), digests=True)

        def infer(*arguments: Any, **options: Any) -> Result:
            nonlocal known
            before, known = known, sound(*arguments, **options)
            return before if options.get("digests") else known

        client.infer = infer  # type: ignore[method-assign]

    return bait.run(client=spoil)
