"""Chains: layers of which each is read by the next one alone, run together a few pixels of a row at a time.

kernels/chain.h says how. Here it is decided which layers can, and what each does in a turn: how many pixels it makes,
and which columns of its input stay for the next turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hil.compiler.kernels.memory import SCRATCH_BYTES
from hil.compiler.quantised import graph as q

MAX_LENGTH, MAX_KERNEL = 8, 15  # CHAIN_MAX and CHAIN_MAX_KERNEL of kernels/chain.h

Row = (
    q.QConv | q.QNorm | q.QAdd | q.RowLayer
)  # a layer that makes its rows from left to right, each from some rows of its inputs


@dataclass(frozen=True)
class Turn:
    """A layer's share of a turn. pixels: to make, after `done` of the row; first: column of the padded input that the
    first one looks at; keep: columns from there on that nobody looks at afterwards; carry: those behind them that are
    there already; ends_row: whether it is the one that completes the row."""

    done: int
    pixels: int
    first: int
    keep: int
    carry: int
    ends_row: bool


@dataclass(frozen=True)
class Chain:
    """Layers that run together. ends: for each layer the pixels of a row that are done after each turn.

    is_again: the first layer makes all rows that the second looks at anew each time, instead of keeping them in a ring.
    scratch: bytes that a convolution may widen its operands into.
    """

    layers: tuple[Row, ...]
    ends: tuple[tuple[int, ...], ...]
    is_again: bool = False
    scratch: int = SCRATCH_BYTES

    @property
    def name(self) -> str:
        return self.layers[-1].name

    def turns(self, index: int) -> Iterator[Turn]:
        """What layer `index` does in each turn."""
        kernel, stride, padding = shape(self.layers[index])
        ends, width = self.ends[index], self.layers[index].inputs[0].width + 2 * padding
        there = self.ends[index - 1] if index else (width,) * len(ends)
        for turn, end in enumerate(ends):
            done = ends[turn - 1] if turn else 0
            ends_row = done < end == ends[-1]
            first, behind = done * stride, width if ends_row else end * stride
            held = 0 if end == ends[-1] or kernel == 1 else padding + there[turn] - behind
            yield Turn(done, end - done, first, behind - first, held, ends_row)

    def rows(self, step: int) -> list[int]:
        """The row of each layer that step number `step` makes, of as many layers as it reaches.

        At or below the layer's height where the padding below the map flows through.
        """
        rows = [-1, step] if self.is_again else [step]
        for layer in self.layers[len(rows) :]:
            kernel, stride, padding = shape(layer)
            top = rows[-1] + 1 + padding - kernel
            if top < 0 or top % stride:
                break
            rows.append(top // stride)
        return rows

    def steps(self) -> list[bool]:
        """For each step whether it completes a row of the last layer. After the last one all rows of all are made."""
        heights = [layer.output.height for layer in self.layers]
        left = {i for i in range(len(heights)) if i or not self.is_again}
        steps: list[bool] = []
        while left:
            rows = self.rows(len(steps))
            left -= {i for i, row in enumerate(rows) if row == heights[i] - 1}
            steps.append(len(rows) == len(heights) and rows[-1] < heights[-1])
        return steps

    def lag(self, index: int) -> int:
        """By how many rows layer `index` is behind the steps, of layers without a stride."""
        return sum(shape(layer)[0] - 1 - shape(layer)[2] for layer in self.layers[1 + self.is_again : index + 1])

    def pixels(self, index: int) -> list[int]:
        """Pixels that layer `index` makes in each turn."""
        return [turn.pixels for turn in self.turns(index)]

    def piece_columns(self, index: int) -> int:
        """Columns of layer `index`'s output that wait for the next layer at most."""
        return max(turn.keep + turn.carry for turn in self.turns(index + 1))


def shape(layer: Row) -> tuple[int, int, int]:
    """Rows of a window, stride and padding; those of a 1x1 convolution for what works pixel by pixel."""
    match layer:
        case q.QConv():
            return layer.extent, layer.stride, layer.padding
        case q.RowLayer():
            return layer.window
    return 1, 1, 0


def alone(layer: Row) -> Chain:
    """A layer that makes whole rows."""
    return Chain((layer,), ((layer.output.width,),))


def chain(layers: tuple[Row, ...], turns: int, is_again: bool = False, scratch: int = SCRATCH_BYTES) -> Chain:
    """Layers that make a row in about that many turns.

    Every layer stops after an even number of pixels, which the kernels take in pairs, and no turn makes a single one.
    """
    width = layers[-1].output.width
    step = -(-width // turns)
    step += step % 2
    ends = [(*(end for end in range(step, width, step) if end < width - 1), width)]
    for layer, before in zip(reversed(layers[1:]), reversed(layers[:-1]), strict=True):
        kernel, stride, padding = shape(layer)
        width = before.output.width
        needed = [_rounded((end - 1) * stride - padding + kernel, width) for end in ends[0][:-1]]
        ends.insert(0, (*needed, width))
    return Chain(layers, tuple(ends), is_again, scratch)


def _rounded(end: int, width: int) -> int:
    """Up to an even number, and to all where a single pixel would be left."""
    end += end % 2
    return width if end >= width - 1 else end


def can_repeat(layers: tuple[Row, ...]) -> bool:
    """Whether the first layer can make its rows anew for each row of the second.

    A pixel of it must take one pixel of input, and the second must look at every row: each is made for somebody.
    """
    if len(layers) < 2 or isinstance(layers[0], q.QAdd) or shape(layers[0]) != (1, 1, 0):
        return False
    kernel, stride, padding = shape(layers[1])
    last = (layers[1].output.height - 1) * stride - padding + kernel
    return kernel > 1 and last >= layers[0].output.height


def candidates(graph: q.QuantisedGraph, whole: frozenset[str] = frozenset()) -> list[tuple[Row, ...]]:
    """Every longest run of layers that can be a chain, be it of one layer, in the order of the graph."""
    sources = {name for s in (graph.detector.sources if graph.detector else ()) for name in (s.loc, s.conf)}
    found: list[tuple[Row, ...]] = []
    taken: set[str] = set()
    for layer in graph.layers:
        if not isinstance(layer, Row) or layer.name in taken:
            continue
        run: list[Row] = [layer]
        while run[-1].name not in sources | whole and len(run) < MAX_LENGTH:
            users = graph.users(run[-1].name)
            if (
                len(users) != 1
                or not isinstance(users[0], Row)
                or users[0].name in taken
                or not _can_follow(run, users[0])
            ):
                break
            run.append(users[0])
        found.append(tuple(run))
        taken |= {member.name for member in run}
    return found


def _can_follow(run: list[Row], layer: Row) -> bool:
    kernel, stride, padding = shape(layer)
    if isinstance(layer, q.QAdd):
        if layer.input.name == layer.other.name:
            return False  # only one of its inputs can come down the chain
        if any(shape(before)[1] > 1 for before in run[1:]):
            return False  # its other input would have to come in another rhythm
    # Two pixels before the end of a row, where a turn may stop, nobody may look at the padding behind it yet.
    return stride <= kernel and padding < kernel and padding <= 2 * stride
