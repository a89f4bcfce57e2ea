"""From a plan to a directory of C sources that CMake builds without Python. The same graph gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from hil.board import Board
from hil.board.generate import presets, write_board, write_renode
from hil.compiler import store
from hil.compiler.kernels import windows
from hil.compiler.kernels.loops import (
    conv_loop,
    has_single,
    is_bounded,
    is_channelwise,
    is_collected,
    is_narrow,
    is_wide,
)
from hil.compiler.kernels.memory import gathered_group
from hil.compiler.kernels.sparse import blocks
from hil.compiler.kernels.weights import (
    channelwise,
    collected,
    folded_shift,
    narrow,
    table_number,
    weights_header,
    weights_source,
    wrapped,
)
from hil.compiler.planning.chains import shape
from hil.compiler.planning.draft import carry_bytes, piece_bytes
from hil.compiler.planning.plan import GUARD_BYTES, Plan
from hil.compiler.planning.predict import is_fast
from hil.compiler.planning.results import rows_that_spare_results
from hil.compiler.planning.schedule import Node
from hil.compiler.quantised import graph as q
from hil.compiler.quantised.tensors import tensors
from hil.compiler.reading.padding import outside
from hil.paths import copy_sources

TILE_ROWS = 1  # of the image that the device receives before it runs the network over them
NAME_BYTES = 32  # of the network's name, that the device says
CTYPES = {"uint8": "TYPE_U8", "int8": "TYPE_S8", "int16": "TYPE_S16"}


@dataclass(frozen=True)
class _SourceView:
    """A detection source with what its table entry in C needs."""

    source: q.Source
    loc: q.Tensor
    conf: q.Tensor
    first_anchor: int


def emit(graph: q.QuantisedGraph, plan: Plan, board: Board, directory: Path) -> Path:
    """Writes the generated directory (firmware sources, model/, CMake files) into `directory`, new or empty.

    Returns the directory. plan.json in model/ says what the host must know, graph.npz is the integer reference.
    """
    model = directory / "model"
    model.mkdir(parents=True)
    copy_sources(directory)
    write_board(board, directory / "board")
    (directory / "CMakePresets.json").write_text(presets([board]))
    (model / "model.c").write_text(model_source(graph, plan))
    (model / "weights.c").write_text(weights_source(graph))
    (model / "weights.h").write_text(weights_header(graph))
    build_id = _build_id(directory, board)
    (model / "model_config.h").write_text(config_header(graph, plan, build_id))
    (model / "plan.json").write_text(json.dumps(description(graph, plan, build_id), indent=1) + "\n")
    store.save(graph, model / "graph.npz")
    write_renode(board, directory / "renode")  # no part of the firmware, nor of its build id
    return directory


def model_source(graph: q.QuantisedGraph, plan: Plan) -> str:
    """model.c: the plan's buffers, a function a layer, the schedule's tables, the functions of model.h."""
    environment = _environment(plan)
    templates = environment.get_template("steps.c.j2").make_module(_names(graph, plan))
    tensors = [graph.input] + [layer.output for layer in graph.layers]
    padded = [t for t in tensors if plan.padding[t.name]]
    low = {t.name for t in padded if outside(graph, t) < 0}
    zeros = [plan.pitch[t.name] for t in padded if t.name not in low and (t is not graph.input or not any(t.zero))]
    low_bytes = max((plan.pitch[t.name] for t in padded if t.name in low), default=0)
    has_image_zero = graph.input in padded and any(graph.input.zero)
    indices = {layer.name: i for i, layer in enumerate(graph.layers)}
    indices |= {node.name: len(graph.layers) + i for i, node in enumerate(n for n in plan.nodes if n.source)}
    return environment.get_template("model.c.j2").render(
        graph=graph,
        plan=plan,
        guard=GUARD_BYTES,
        rings=[t for t in tensors if plan.depth[t.name] or plan.padding[t.name]],
        zero_bytes=max(zeros, default=0),
        low=low,
        low_bytes=low_bytes,
        low_row=np.full(low_bytes, 0x80, np.uint8),
        image_zero=_image_zero(graph.input, plan.padding[graph.input.name]) if has_image_zero else None,
        sources=_sources(graph),
        steps=[text for node in plan.nodes for text in _functions(templates, node, plan, indices)],
        indices=indices,
        producers={t.name: i for i, t in enumerate([graph.input] + [n.output for n in plan.nodes if n.output])},
        last_readers=[max(i, _last_reader(plan, node.output)) for i, node in enumerate(plan.nodes)],
        image_reader=_last_reader(plan, graph.input),
        tensors=numbers(graph),
    )


def numbers(graph: q.QuantisedGraph) -> dict[str, int]:
    """The number that each shown tensor is tapped by."""
    return {shown.name: i for i, shown in enumerate(tensors(graph))}


def _names(graph: q.QuantisedGraph, plan: Plan) -> dict[str, object]:
    """What the steps' templates look up: plan, tensors, and the sums whose second input comes down the chain."""
    links = [(n.chain, i, layer) for n in plan.nodes if n.chain for i, layer in enumerate(n.chain.layers)]
    swapped = {layer.name: i > 0 and layer.inputs[0].name != chain.layers[i - 1].name for chain, i, layer in links}
    return {"plan": plan, "is_swapped_sum": swapped, "tensors": numbers(graph)}


def _last_reader(plan: Plan, tensor: q.Tensor | None) -> int:
    """The number of the last node that reads a tensor, 0 where none does."""
    name = tensor.name if tensor is not None else None
    return max((i for i, node in enumerate(plan.nodes) if any(f.tensor.name == name for f in node.feeds)), default=0)


def _functions(templates: Any, node: Node, plan: Plan, indices: dict[str, int]) -> list[str]:
    """The functions and tables of a node."""
    if node.chain is not None:
        parts = [templates.part(layer) for layer in node.chain.layers]
        texts = [*parts, templates.chain(node.chain, _chain_view(node, plan, indices))]
    else:
        match node.layers:
            case (q.QPool() as pool,):
                texts = [templates.pool(pool)]
            case (q.QMean() as mean,):
                texts = [templates.mean(mean)]
            case (q.StepLayer() as layer,):
                texts = [templates.step(layer)]
            case _:
                texts = [templates.boxes(node.name, indices[node.name] - len(plan.cycles), node.source)]
    return [str(text).strip() for text in texts]


@dataclass(frozen=True)
class _LinkView:
    """A layer of a chain with what its entry in C needs. input: of its ring, None where it has none; turns in bytes."""

    layer: q.Layer
    index: int
    input: str | None
    other: str | None
    has_piece: bool
    has_carry: bool
    turns: list[tuple[int, ...]]
    kernel: int
    stride: int
    padding: int

    @property
    def pixel_bytes(self) -> int:
        return self.layer.output.channels * self.layer.output.itemsize


def _chain_view(node: Node, plan: Plan, indices: dict[str, int]) -> list[_LinkView]:
    chain = node.chain
    assert chain is not None
    views = []
    for i, layer in enumerate(chain.layers):
        kernel, stride, padding = shape(layer)
        before = chain.layers[i - 1].output if i else layer.inputs[0]
        others = [t.name for t in layer.inputs if t.name != before.name] or [t.name for t in layer.inputs[1:]]
        has_ring = i == 0 or plan.depth[before.name] > 0 or plan.padding[before.name] > 0
        is_last = i == len(chain.layers) - 1
        views.append(_LinkView(
            layer, indices[layer.name], before.name if has_ring else None, others[0] if others else None,
            not is_last, not is_last and carry_bytes(chain, i) > 0, _turns(node, i, plan), kernel, stride, padding,
        ))  # fmt: skip
    return views


def _turns(node: Node, index: int, plan: Plan) -> list[tuple[int, ...]]:
    """turn_t of kernels/chain.h for each turn of a chain's layer."""
    chain = node.chain
    assert chain is not None
    layer = chain.layers[index]
    source, out = layer.inputs[0], layer.output
    pixel_in, pixel_out = source.channels * source.itemsize, out.channels * out.itemsize
    following = list(chain.turns(index + 1)) if index + 1 < len(chain.layers) else None
    margin = (plan.padding[source.name] - shape(layer)[2]) * pixel_in if index == 0 else 0
    turns: list[tuple[int, ...]] = []
    for number, turn in enumerate(chain.turns(index)):
        to = turn.done
        if following is not None:  # behind the columns that the next layer's turn begins with
            to += shape(chain.layers[index + 1])[2] - following[number].first
        keep, carry = (turn.keep * pixel_in, turn.carry * pixel_in) if index else (0, 0)
        to = to * pixel_out if turn.pixels else 0
        turns.append((turn.pixels, to, turn.first * pixel_in + margin, keep, carry, int(turn.ends_row)))
    return turns


def _image_zero(image: q.Tensor, padding: int) -> np.ndarray:
    return np.tile(np.asarray(image.zero, np.uint8), image.width + 2 * padding)


def _sources(graph: q.QuantisedGraph) -> list[_SourceView]:
    views: list[_SourceView] = []
    first = 0
    if graph.detector is None:
        return []
    for source in graph.detector.sources:
        loc, conf = graph.layer(source.loc).output, graph.layer(source.conf).output
        views.append(_SourceView(source, loc, conf, first))
        first += loc.height * loc.width * graph.detector.classes
    return views


def _environment(plan: Plan) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hil.compiler"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["ctype"] = lambda tensor: CTYPES[tensor.dtype]
    places = {buffer.name: buffer.place for buffer in plan.buffers}
    environment.filters["address"] = lambda _, name: f"(arena_{places[name]} + {name.upper()})"
    environment.filters["single"] = lambda value: f"{float(np.float32(value)):.9g}f"
    environment.filters["table_number"] = table_number
    environment.filters["piece_bytes"] = piece_bytes
    environment.filters["carry_bytes"] = carry_bytes
    environment.filters["is_narrow"] = is_narrow
    environment.filters["is_collected"] = is_collected
    environment.filters["is_channelwise"] = is_channelwise
    environment.filters["is_wide"] = is_wide
    environment.filters["folded_shift"] = folded_shift
    environment.filters["is_bounded"] = is_bounded
    environment.filters["has_single"] = has_single
    environment.filters["conv_loop"] = lambda conv: conv_loop(conv, plan.chunk[conv.name])
    environment.filters["gathered_group"] = gathered_group
    environment.filters["blocks"] = blocks
    environment.filters["at_once"] = windows.at_once
    environment.filters["pool_buffers"] = windows.buffers
    environment.filters["carray"] = wrapped
    return environment


def config_header(graph: q.QuantisedGraph, plan: Plan, build_id: str) -> str:
    """model_config.h: the network's constants."""
    detector = graph.detector
    values: dict[str, str | int] = {
        "NAME": f'"{graph.model[:NAME_BYTES]}"',
        "HASH": f'"{graph.hash}"',
        "WIDTH": graph.input.width,
        "HEIGHT": graph.input.height,
        "CHANNELS": graph.input.channels,
        "RESULT_ROWS": rows_that_spare_results(graph, plan),
        "LAYERS": len(graph.layers),
        "TENSORS": len(tensors(graph)),
        "CANDIDATES": detector.candidates if detector else 0,
        "TOP_K": detector.candidates if detector else 0,
        "MAX_DETECTIONS": detector.detections if detector else 0,
        "WEIGHTED_NMS": int(detector.weighted_nms) if detector else 0,
        "BOX_CLASSES": detector.classes if detector else 1,
        "LOGITS": 0 if detector or graph.outputs else graph.layers[-1].output.channels,
        "ARENA_BYTES": plan.arena_bytes,
    }
    lines = [f"#define MODEL_{name} {value}" for name, value in values.items()]
    lines.append(f'#define BUILD_ID "{build_id}"')
    guard = ("#ifndef MODEL_CONFIG_H\n#define MODEL_CONFIG_H\n", "\n#endif\n")
    return "\n".join(["// The network's constants, generated by rnnpool-hil.", guard[0], *lines, guard[1]])


def _build_id(directory: Path, board: Board) -> str:
    """16 hex digits over every source of the generated directory and the board it is for."""
    digest = hashlib.sha256(board.name.encode())
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        digest.update(f"\0{path.relative_to(directory).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def description(graph: q.QuantisedGraph, plan: Plan, build_id: str) -> dict[str, object]:
    """What plan.json holds: layers, buffers and sizes for programs other than the firmware."""
    image = graph.input
    shape = {"width": image.width, "height": image.height, "channels": image.channels}
    return {
        "model": graph.model,
        "board": plan.board.name,
        "model_hash": graph.hash,
        "build_id": build_id,
        "input": {**shape, "tile_rows": TILE_ROWS},
        "layers": [_layer(layer, plan) for layer in graph.layers],
        "tensors": [vars(shown) for shown in tensors(graph)],
        "chains": [
            {
                "layers": [layer.name for layer in chain.layers],
                "turns": len(chain.ends[0]),
                "scratch_bytes": chain.scratch,
                "made_again": chain.layers[0].name if chain.is_again else None,
            }
            for chain in plan.scheme.chains
        ],
        "whole": sorted(plan.scheme.whole),
        "buffers": [
            {key: getattr(b, key) for key in ("name", "bytes", "place", "offset", "rows", "first", "last")}
            for b in plan.buffers
        ],
        "arena_bytes": plan.arena_bytes,
        "ram_bytes": plan.ram_bytes,
        "weights_bytes": weights_bytes(graph),
        "detector": None if graph.detector is None else {
            "candidates": graph.detector.candidates,
            "detections": graph.detector.detections,
            "nms_iou": graph.detector.nms_iou,
            "weighted_nms": graph.detector.weighted_nms,
            "classes": graph.detector.classes,
        },
        "classifier": {"layer": graph.layers[-1].name} if graph.detector is None and not graph.outputs else None,
        "outputs": list(graph.outputs),
    }  # fmt: skip


def weights_bytes(graph: q.QuantisedGraph) -> int:
    """Flash that a network's weights, biases and tables take."""
    return sum(a.nbytes for layer in graph.layers for a in _arrays(layer))


def _layer(layer: q.Layer, plan: Plan) -> dict[str, object]:
    out = layer.output
    buffer = plan.buffer(f"{layer.name}_rows") or plan.buffer(f"{layer.name}_piece")
    assert buffer is not None
    scale = out.scale[0] if len(out.scale) == 1 else list(out.scale)
    return {
        "name": layer.name,
        "op": type(layer).__name__.removeprefix("Q").lower(),
        "output": {
            "height": out.height,
            "width": out.width,
            "channels": out.channels,
            "dtype": out.dtype,
            "scale": scale,
        },
        "macs": layer.macs,
        "kernel": "fast" if is_fast(layer) else "plain",
        "predicted_cycles": plan.cycles[layer.name],
        "waiting_cycles": plan.waits.get(layer.name, 0),
        "constant_bytes": sum(array.nbytes for array in _arrays(layer)),
        "buffer": {"name": buffer.name, "rows": buffer.rows, "bytes": buffer.bytes, "place": buffer.place},
    }


def _arrays(layer: q.Layer) -> list[np.ndarray]:
    """The constants that the firmware has of a layer."""
    owners = [layer, layer.cell1, layer.cell2] if isinstance(layer, q.QPool) else [layer]
    if isinstance(layer, q.Family):
        return [values for _, values, _ in layer.constants()]
    if isinstance(layer, q.QConv) and (is_channelwise(layer) or is_wide(layer)):
        return [channelwise(layer)]
    if isinstance(layer, q.QNorm):
        return [layer.stored_gain]
    arrays = [value for owner in owners for value in vars(owner).values() if isinstance(value, np.ndarray)]
    if isinstance(layer, q.QConv) and is_narrow(layer):
        arrays.append(narrow(layer.weight))
    if isinstance(layer, q.QConv) and is_collected(layer):
        arrays.append(collected(layer))
    return arrays
