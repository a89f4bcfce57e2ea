"""What happens on a simulated board during an image, against its time: calls, exceptions, DMA, frames, RAM in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hil import targets
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.link.frames import Frame, decode
from hil.link.messages import Type
from hil.reference.photo import Photo
from hil.targets.sim import SimBoard, SimTarget
from hil.timing.model import ModelledCycles
from hil.timing.profile.calls import Call, Calls

FUNCTIONS, LAYERS, EXCEPTIONS, TO_BOARD, TO_HOST = "functions", "layers", "exceptions", "link to board", "link to host"
_STEP, _PART = "_step", "_part"  # how the compiler names a layer's function, of its own or in a chain
_ROW, _CHAIN, _DECODE = "model_push_row", "chain_step", "detect_finish"
_NAMES = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 11: "SVCall", 14: "PendSV"}
_NAMES |= {15: "SysTick"}
_IRQ0 = 16
SHORTEST = 200  # cycles of a call that is worth a place


@dataclass(frozen=True)
class Span:
    """Something that lasts, on a track; cycles from the image's beginning on."""

    track: str
    name: str
    begin: int
    end: int
    depth: int = 0


@dataclass(frozen=True)
class Level:
    """Bytes of RAM in use from a cycle on, in a memory's arena."""

    place: str
    cycle: int
    used: int


@dataclass(frozen=True)
class Timeline:
    """An image's. cycles: it took; clock_hz: of them. levels: of RAM. Spans of a track lie in or beside each other."""

    title: str
    clock_hz: int
    cycles: int
    spans: tuple[Span, ...]
    levels: tuple[Level, ...]

    def track(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.track == name]


class _Recorder:
    """Listens to a board from now until take()."""

    def __init__(self, board: SimBoard, shortest: int) -> None:
        model = board.core.model
        assert isinstance(model, ModelledCycles)
        self._board, self._core = board, board.core
        self._begin = board.core.now
        self._spans: list[Span] = []
        self._active: list[tuple[int, int]] = []
        self._moved: dict[str, int] = {}  # until when, by stream
        self._lines = {True: _Line(TO_HOST), False: _Line(TO_BOARD)}
        self._calls = Calls(model.engine, board.core.state_address, shortest)
        board.chip.nvic.on_active = self._on_active
        board.usart.on_line = lambda to_host, *burst: self._spans.extend(self._lines[to_host].take(*burst))
        for stream in self._streams():
            stream.on_moved = self._on_moved

    def take(self) -> tuple[list[Span], list[Call], int, int]:
        """Spans but the functions', calls, the first cycle and the last."""
        board, now = self._board, self._core.now
        board.chip.nvic.on_active = None
        board.usart.on_line = lambda to_host, first_end, step, data: None
        for stream in self._streams():
            stream.on_moved = lambda name, count: None
        return self._spans, self._calls.take(now), self._begin, now

    def _streams(self) -> Iterator[Any]:
        for dma in self._board.chip.dmas:
            yield from dma.streams

    def _on_active(self, exception: int, begins: bool) -> None:
        now = self._core.now
        if begins:
            self._active.append((exception, now))
            return
        number, begin = self._active.pop() if self._active else (exception, self._begin)
        name = _NAMES.get(number, f"interrupt {number - _IRQ0}")
        self._spans.append(Span(EXCEPTIONS, name, begin, now, len(self._active)))

    def _on_moved(self, stream: str, count: int) -> None:
        """As of when somebody looked, up to which the bytes have moved one after another."""
        now, length = self._core.now, count * self._board.usart.byte_cycles
        begin = max(self._moved.get(stream, self._begin), now - length)
        self._moved[stream] = now
        self._spans.append(Span(stream, f"{count} bytes", begin, now))


class _Line:
    """One direction of the link: bytes with their times to frames."""

    def __init__(self, track: str) -> None:
        self._track, self._bytes, self._begin = track, bytearray(), 0

    def take(self, first_end: int, step: int, data: bytes) -> Iterator[Span]:
        position = 0
        while position < len(data):
            zero = data.find(0, position)
            end = zero if zero >= 0 else len(data)
            if end > position and not self._bytes:
                self._begin = first_end + (position - 1) * step
            self._bytes += data[position:end]
            if zero >= 0 and self._bytes:
                yield Span(self._track, _frame_name(bytes(self._bytes)), self._begin, first_end + zero * step)
                self._bytes.clear()
            position = end + 1


def _frame_name(piece: bytes) -> str:
    frame = decode(piece)
    if not isinstance(frame, Frame):
        return f"damaged: {frame.reason}"
    name = Type(frame.type).name if frame.type in list(Type) else f"type {frame.type:#04x}"
    return f"{name} {frame.sequence}"


def trace_image(
    firmware: Firmware,
    photo: Photo,
    mode: str = "fast",
    shortest: int = SHORTEST,
    step: Callable[[str, float], None] = lambda what, done: None,
) -> Timeline:
    """Run an image on the simulated board and write down what happens. shortest: cycles of a call that is kept.

    Raises HilError where there are more calls than are kept.
    """
    target = targets.create("sim", firmware.board, timing=mode)
    with Bench(firmware, target) as bench:
        assert isinstance(target, SimTarget)
        recorder = _Recorder(target.sim, shortest)
        bench.client.infer(photo.pixels, progress=lambda taken, total: step(f"running {photo.name}", taken / total))
        spans, calls, begin, end = recorder.take()
        symbols, hz = target.sim.image.symbols, target.sim.clock.hz
    functions = [
        Span(FUNCTIONS, symbols.function(call.function) or f"{call.function:#010x}", call.begin, call.end, call.depth)
        for call in calls
    ]
    layers = [*_layers(functions, firmware)]
    levels = [*_levels(functions, firmware.plan)]
    title = f"{firmware.network_name} on {firmware.board.title}"
    moved = tuple(_since(span, begin) for span in (*functions, *layers, *spans))
    return Timeline(title, hz, end - begin, moved, tuple(Level(o.place, o.cycle - begin, o.used) for o in levels))


def _since(span: Span, begin: int) -> Span:
    return Span(span.track, span.name, span.begin - begin, span.end - begin, span.depth)


def _layers(functions: list[Span], firmware: Firmware) -> Iterator[Span]:
    """The layers' own functions, by the layers' names."""
    known = set(firmware.layer_names)
    for span in functions:
        name = next((span.name.removesuffix(end) for end in (_STEP, _PART) if span.name.endswith(end)), "")
        if name in known:
            yield Span(LAYERS, name, span.begin, span.end)
        elif span.name == _DECODE:
            yield Span(LAYERS, "decode", span.begin, span.end)


def _levels(functions: list[Span], plan: dict[str, Any]) -> Iterator[Level]:
    """RAM in use, by the plan and the moment that it is."""
    before: dict[str, int] = {}
    for moment, cycle in _moments(functions, plan):
        used = _used(plan["buffers"], moment)
        for place, count in used.items():
            if before.get(place) != count:
                yield Level(place, cycle, count)
        before = used


def _moments(functions: list[Span], plan: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """When a row of the image, a step or the decoding begins: the plan's moment, and the cycle.

    The plan counts rows of the image, for each step its layers one after another, an RNNPool twice, and the decoding at
    the end.
    """
    layers = {f"{layer}{_PART}": len(chain["layers"]) for chain in plan["chains"] for layer in chain["layers"]}
    pools = {f"{layer['name']}{_STEP}" for layer in plan["layers"] if layer["op"] == "pool"}
    moment = 0
    for k, span in enumerate(functions):
        if span.name == _CHAIN:
            inside = (after.name for after in functions[k + 1 :] if after.name in layers)
            yield moment, span.begin
            moment += layers[next(inside)]
        elif span.name in (_ROW, _DECODE) or span.name.endswith(_STEP):
            yield moment, span.begin
            moment += 2 if span.name in pools else 1


def _used(buffers: list[dict[str, Any]], moment: int) -> dict[str, int]:
    """Bytes that hold a buffer between its first use and its last, by memory; those that share bytes count once."""
    used: dict[str, int] = {}
    for place in sorted({buffer["place"] for buffer in buffers}):
        taken = sorted(
            (buffer["offset"], buffer["offset"] + buffer["bytes"])
            for buffer in buffers
            if buffer["place"] == place and buffer["first"] <= moment <= buffer["last"]
        )
        reached = total = 0
        for start, end in taken:
            total += max(0, end - max(start, reached))
            reached = max(reached, end)
        used[place] = total
    return used
