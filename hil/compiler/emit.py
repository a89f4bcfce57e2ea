"""From a plan to a directory of C sources that CMake builds without Python. The same graph gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from hil.board import Board
from hil.compiler import graph as q
from hil.compiler import store
from hil.compiler.plan import GUARD_BYTES, Plan, conv_chunk
from hil.compiler.predict import is_fast, predict
from hil.compiler.weights import table_number, weights_header, weights_source, wrapped
from hil.paths import REPOSITORY

COPIED = ("CMakeLists.txt", "CMakePresets.json", "firmware_src", "platforms")
NOT_COPIED = ("__pycache__", "limits.toml", "*.repl", "*.resc", "calibration")  # not part of the firmware
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
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns(*NOT_COPIED))
        else:
            shutil.copy(source, directory / name)
    (model / "model.c").write_text(model_source(graph, plan))
    (model / "weights.c").write_text(weights_source(graph))
    (model / "weights.h").write_text(weights_header(graph))
    build_id = _build_id(directory, board)
    (model / "model_config.h").write_text(config_header(graph, plan, build_id))
    (model / "plan.json").write_text(json.dumps(description(graph, plan, build_id), indent=1) + "\n")
    store.save(graph, model / "graph.npz")
    return directory


def model_source(graph: q.QuantisedGraph, plan: Plan) -> str:
    """model.c: the plan's buffers, a step a layer, the schedule's table, the functions of model.h."""
    environment = _environment(plan)
    steps = environment.get_template("steps.c.j2").make_module({"plan": plan})
    tensors = [graph.input] + [layer.output for layer in graph.layers]
    padded = [t for t in tensors if plan.padding[t.name]]
    zeros = [plan.pitch[t.name] for t in padded if t is not graph.input or not any(t.zero)]
    has_image_zero = graph.input in padded and any(graph.input.zero)
    return environment.get_template("model.c.j2").render(
        graph=graph,
        plan=plan,
        guard=GUARD_BYTES,
        tensors=tensors,
        zero_bytes=max(zeros, default=0),
        image_zero=_image_zero(graph.input, plan.padding[graph.input.name]) if has_image_zero else None,
        sources=_sources(graph),
        steps=[_step(steps, node, i - len(graph.layers)) for i, node in enumerate(plan.nodes)],
        producers={t.name: i for i, t in enumerate(tensors)},
        last_readers=[max(i, _last_reader(plan, node.output)) for i, node in enumerate(plan.nodes)],
        image_reader=_last_reader(plan, graph.input),
    )


def _last_reader(plan: Plan, tensor: q.Tensor | None) -> int:
    """The number of the last node that reads a tensor, 0 where none does."""
    name = tensor.name if tensor is not None else None
    return max((i for i, node in enumerate(plan.nodes) if any(f.tensor.name == name for f in node.feeds)), default=0)


def _step(templates: Any, node: Any, source_index: int) -> str:
    layer = node.layer
    match layer:
        case q.QConv():
            text = templates.conv(layer, "depthwise" if layer.is_depthwise else "conv")
        case q.QPool():
            text = templates.pool(layer)
        case q.QNorm():
            text = templates.norm(layer)
        case q.QAdd():
            text = templates.add(layer)
        case q.QMean():
            text = templates.mean(layer)
        case None:
            text = templates.boxes(node.name, source_index, node.source)
    return str(text).strip()


def _image_zero(image: q.Tensor, padding: int) -> np.ndarray:
    return np.tile(np.asarray(image.zero, np.uint8), image.width + 2 * padding)


def _sources(graph: q.QuantisedGraph) -> list[_SourceView]:
    views: list[_SourceView] = []
    first = 0
    for source in graph.detector.sources if graph.detector else ():
        loc, conf = graph.layer(source.loc).output, graph.layer(source.conf).output
        views.append(_SourceView(source, loc, conf, first))
        first += loc.height * loc.width
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
    environment.filters["address"] = lambda _, name: f"(arena_{plan.buffer(name).place} + {name.upper()})"
    environment.filters["single"] = lambda value: f"{float(np.float32(value)):.9g}f"
    environment.filters["table_number"] = table_number
    environment.filters["chunk"] = conv_chunk
    environment.filters["carray"] = wrapped
    return environment


def config_header(graph: q.QuantisedGraph, plan: Plan, build_id: str) -> str:
    """model_config.h: the network's constants."""
    detector = graph.detector
    values: dict[str, str | int] = {
        "NAME": f'"{graph.model}"',
        "HASH": f'"{graph.hash}"',
        "WIDTH": graph.input.width,
        "HEIGHT": graph.input.height,
        "CHANNELS": graph.input.channels,
        "TILE_ROWS": plan.tile_rows,
        "LAYERS": len(graph.layers),
        "CANDIDATES": detector.candidates if detector else 0,
        "TOP_K": detector.candidates if detector else 0,
        "MAX_DETECTIONS": detector.detections if detector else 0,
        "LOGITS": 0 if detector else graph.layers[-1].output.channels,
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
        "input": {**shape, "tile_rows": plan.tile_rows},
        "layers": [_layer(layer, plan) for layer in graph.layers],
        "buffers": [
            {key: getattr(b, key) for key in ("name", "bytes", "place", "offset", "rows", "first", "last")}
            for b in plan.buffers
        ],
        "arena_bytes": plan.arena_bytes,
        "weights_bytes": sum(a.nbytes for layer in graph.layers for a in _arrays(layer)),
        "detector": None if graph.detector is None else {
            "candidates": graph.detector.candidates,
            "detections": graph.detector.detections,
            "nms_iou": graph.detector.nms_iou,
        },
        "classifier": {"layer": graph.layers[-1].name} if graph.detector is None else None,
    }  # fmt: skip


def _layer(layer: q.Layer, plan: Plan) -> dict[str, object]:
    out, ring = layer.output, plan.buffer(f"{layer.name}_rows")
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
        "predicted_cycles": predict(layer),
        "constant_bytes": sum(array.nbytes for array in _arrays(layer)),
        "buffer": {"name": ring.name, "rows": ring.rows, "bytes": ring.bytes, "place": ring.place},
    }


def _arrays(layer: q.Layer) -> list[np.ndarray]:
    owners = [layer, layer.cell1, layer.cell2] if isinstance(layer, q.QPool) else [layer]
    return [value for owner in owners for value in vars(owner).values() if isinstance(value, np.ndarray)]
