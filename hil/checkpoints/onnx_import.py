"""ONNX files as checkpoints of ours: the graph becomes a description, and onnxruntime says whether it is the same."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hil import zoo
from hil.checkpoints import onnx_runtime
from hil.checkpoints.calibration import Photos, Step, calibration, find_photos
from hil.checkpoints.importing import sample_photos
from hil.checkpoints.onnx_nodes import Description, OnnxNode, describe
from hil.checkpoints.onnx_rnnpool import Found, find
from hil.errors import HilError
from hil.reading import read_text, toml_of
from hil.reference import weights
from hil.reference.described import INPUT, network_of
from hil.reference.fastgrnn import FastGrnn
from hil.reference.gated import Gated
from hil.reference.own import MEAN, SCALE
from hil.reference.rnnpool import CELLS, RnnPool

EXTRA = "pip install 'rnnpool-hil[onnx]'"
CLOSE = 1e-3  # of the largest output: what float32 in another order may differ by


@dataclass(frozen=True)
class Told:
    """What an ONNX file does not say. mean, scale: of the input, a value a channel or one for all.

    classes: of a classifier, none for plain tensors; map: a TOML file that names RNNPools ([[rnnpool]] with input,
    output, patch, stride, pad, and the matrices and biases W1, U1, gate1, update1, W2, U2, gate2, update2; cell = "gru"
    or "lstm" with input1, hidden1, input2, hidden2 in the place of gates and updates).
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = (MEAN,)
    scale: tuple[float, ...] = (SCALE,)
    map: Path | None = None


def import_onnx(path: Path, told: Told, out: Path, images: Path | None, count: int, step: Step) -> tuple[int, float]:
    """Write an ONNX file as a checkpoint. Returns from how many photos its ranges are, and how far onnxruntime's
    outputs are from ours at most, relative to the largest.

    Raises HilError for a missing package, a file that is none, nodes that the bench does not know, a graph that does
    not compute the same, and an --out that is no .safetensors file.
    """
    if out.suffix != zoo.SUFFIX:
        raise HilError(f"{out} must end in {zoo.SUFFIX}: that is the format that keeps ranges beside the weights")
    paths = None if images is None else find_photos(images, count)
    step(f"reading {path.name}", 0)
    model = _Model(path)
    network, pools = _network(model, told)
    step("comparing with onnxruntime", 0.5)
    distance = _compare(model, network)
    photos = list(sample_photos(network.spec)) if paths is None else Photos(paths, network.spec)
    source = {
        "source": path.name,
        "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rnnpools": str(pools),
    }
    weights.save(network, out, source | calibration(network, photos, step))
    return len(photos), distance


class _Model:
    """An ONNX file with constants folded, for one image."""

    def __init__(self, path: Path) -> None:
        try:
            import onnx

            runtime = onnx_runtime.load()
        except ImportError as error:
            raise HilError(f"reading ONNX files needs the packages onnx and onnxruntime: {EXTRA}") from error
        self.onnx, self.runtime = onnx, runtime
        if not path.is_file():
            raise HilError(f"{path} does not exist: name an ONNX file")
        try:
            model = onnx.load(str(path))
            dims = model.graph.input[0].type.tensor_type.shape.dim
            dims[0].dim_value = 1
            if len(model.graph.input) != 1 or len(dims) != 4 or not all(d.dim_value > 0 for d in dims):
                raise HilError(f"{path} must have one input, an image of a fixed size (1, channels, rows, columns)")
            self.proto = onnx.shape_inference.infer_shapes(self._folded(model))
        except HilError:
            raise
        except Exception as error:  # protobuf's, onnx's and onnxruntime's own types
            raise HilError(f"{path} is no ONNX file that onnxruntime can read ({_first_line(error)})") from error
        graph = self.proto.graph
        self.input = graph.input[0].name
        self.outputs = [value.name for value in graph.output]
        self.constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        values = [*graph.input, *graph.value_info, *graph.output]
        self.shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
        read = {value for node in graph.node for value in node.input} | {*self.outputs}
        self.nodes = [self._node(node, read) for node in graph.node if node.op_type != "Constant"]

    def _folded(self, model: Any) -> Any:
        options = self.runtime.SessionOptions()
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = f"{folder}/folded.onnx"
            self.runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return self.onnx.load(options.optimized_model_filepath)

    def _node(self, node: Any, read: set[str]) -> OnnxNode:
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        return OnnxNode(
            node.op_type, node.name, tuple(node.input), tuple(v for v in node.output if v in read), attributes
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.shapes[self.input]
        return channels, height, width

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """The outputs for an input (1, C, H, W)."""
        session = self._session(self.proto.SerializeToString())
        return list(session.run(None, {self.input: x}))

    def between(self, entry: str, exit_: str, x: np.ndarray) -> np.ndarray:
        """The value `exit_` for a value of `entry`."""
        part = self.onnx.utils.Extractor(self.proto).extract_model([entry], [exit_])
        made: np.ndarray = self._session(part.SerializeToString()).run(None, {entry: x})[0]
        return made

    def _session(self, model: bytes) -> Any:
        options = self.runtime.SessionOptions()
        options.log_severity_level = 3
        return self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def import_program(path: Path, told: Told, out: Path, images: Path | None, count: int, step: Step) -> tuple[int, float]:
    """The same for a file of torch.export.save, by way of ONNX. Raises HilError as import_onnx does."""
    if not path.is_file():
        raise HilError(f"{path} does not exist: name a file of torch.export.save")
    step(f"reading {path.name}", 0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{path.stem}.onnx"
        try:
            onnx_runtime.load()
            program = torch.export.load(path)
            torch.onnx.export(program, dynamo=True, verbose=False).save(str(file))  # type: ignore[union-attr]
        except ImportError as error:
            raise HilError(f"reading exported programs needs onnx, onnxscript and onnxruntime: {EXTRA}") from error
        except Exception as error:  # torch raises many types for a file or an operator that it cannot take
            raise HilError(f"{path} is no exported program that goes into ONNX ({_first_line(error)})") from error
        return import_onnx(file, told, out, images, count, step)


def _network(model: _Model, told: Told) -> tuple[Any, int]:
    """The network of a model with its weights, and how many RNNPools it has."""
    pools = _named(model, told.map) if told.map else list(
        find(model.nodes, model.constants, model.shapes, model.input, model.between)
    )  # fmt: skip
    to = Description(model.constants, model.shapes, {model.input: INPUT})
    starts = {pool.exit: pool for pool in pools}
    for node in _needed(model, starts):
        if node.output in starts:
            _add_pool(to, node, starts[node.output])
        else:
            describe(node, to)
    channels = model.input_shape[0]
    task = {
        "name": told.name, "input_shape": model.input_shape, "classes": list(told.classes),
        "outputs": [f"output{i}" for i in range(len(model.outputs))],
        "input_mean": _per_channel(told.mean, channels, "--mean"),
        "input_scale": _per_channel(told.scale, channels, "--scale"),
    }  # fmt: skip
    outputs = [to.names[name] for name in model.outputs]
    network = network_of(json.dumps({"task": task, "nodes": to.nodes, "outputs": outputs}))
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in to.weights.items()})
    return network.eval(), len(pools)


def _needed(model: _Model, pools: dict[str, Found]) -> list[OnnxNode]:
    """The nodes that lead to an output, those inside a pool left out."""
    by_output = {node.output: node for node in model.nodes}
    needed: set[str] = set()
    waiting = list(model.outputs)
    while waiting:
        value = waiting.pop()
        if value in needed or value not in by_output:
            continue
        needed.add(value)
        waiting += [pools[value].entry] if value in pools else by_output[value].inputs
    return [node for node in model.nodes if node.output in needed]


def _add_pool(to: Description, node: OnnxNode, found: Found) -> None:
    pool = found.pool
    state = {name: value.numpy() for name, value in pool.state_dict().items()}
    to.add(
        node, "RnnPool", [found.entry], state, in_channels=pool.in_channels, hidden1=pool.hidden1, hidden2=pool.hidden2,
        patch=pool.patch, stride=pool.stride, pad=pool.pad, cell=found.kind,
    )  # fmt: skip


def _named(model: _Model, path: Path) -> list[Found]:
    """The pools that a mapping file names."""
    said = toml_of(read_text(path), str(path))
    try:
        return [_from_table(model, table) for table in said["rnnpool"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HilError(
            f"{path} does not name RNNPools ({error!r}): [[rnnpool]] with input, output, patch, stride, pad, and W1, "
            "U1, gate1, update1, W2, U2, gate2, update2 by their names in the graph; with cell gru or lstm, input1, "
            "hidden1, input2, hidden2 in the place of gate1 to update2"
        ) from error


def _from_table(model: _Model, table: dict[str, Any]) -> Found:
    kind = table.get("cell", "fastgrnn")
    channels, gates = model.shapes[table["input"]][1], CELLS[kind].gates if kind in CELLS else 1
    hidden1, hidden2 = (max(model.constants[table[name]].shape[-2:]) // gates for name in ("U1", "U2"))
    pool = RnnPool(channels, hidden1, hidden2, table["patch"], table["stride"], table["pad"], cell=kind)
    for number, cell in ((1, pool.cell1), (2, pool.cell2)):
        for key, parameter in _keys(cell).items():
            values = model.constants[table[f"{key}{number}"]]
            values = values[0] if values.ndim == 3 else values  # repeated over a batch
            turned = values.T if values.ndim == 2 and values.shape != tuple(parameter.shape) else values
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(np.array(turned)).reshape(parameter.shape))
    return Found(table["input"], table["output"], pool, kind)


def _keys(cell: FastGrnn | Gated) -> dict[str, torch.nn.Parameter]:
    """A cell's parameters by their names in a mapping file."""
    matrices = {"W": cell.W, "U": cell.U}
    if isinstance(cell, Gated):
        return matrices | {"input": cell.bias_input, "hidden": cell.bias_hidden}
    return matrices | {"gate": cell.bias_gate, "update": cell.bias_update}


def _compare(model: _Model, network: Any) -> float:
    """How far our outputs are from onnxruntime's at most, relative to the largest."""
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(3):
        x = rng.uniform(-1, 1, (1, *model.input_shape)).astype(np.float32)
        with torch.no_grad():
            ours = network(torch.from_numpy(x))
        parts: Sequence[Any] = ours if isinstance(ours, list | tuple) else [ours]
        for name, theirs, mine in zip(model.outputs, model.run(x), parts, strict=True):
            worst = max(worst, float(np.abs(theirs - mine.numpy()).max() / max(np.abs(theirs).max(), 1e-6)))
            if worst > CLOSE:
                raise HilError(
                    f"output {name} is {worst:.2g} away from onnxruntime's: the file and the imported network differ"
                )
    return worst


def _per_channel(values: tuple[float, ...], channels: int, option: str) -> list[float]:
    if len(values) not in (1, channels):
        raise HilError(
            f"{option} has {len(values)} values, the image has {channels} channels: one each, or one for all"
        )
    return list(values) * (channels if len(values) == 1 else 1)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
