"""A quantised graph on disk: an .npz of arrays and a JSON text that refers to them. Same graph, same bytes."""

from __future__ import annotations

import dataclasses
import json
import typing
import zipfile
import zlib
from pathlib import Path

import numpy as np

from hil.compiler import families
from hil.compiler.quantised import gated
from hil.compiler.quantised import graph as q
from hil.errors import HilError

_DAMAGED = (zipfile.BadZipFile, zlib.error)
_TYPES: dict[str, typing.Any] = {cls.__name__: cls for cls in (
    q.Tensor, q.Gate, q.QConv, q.QCell, q.QPool, q.QNorm, q.QAdd, q.QMean, q.Source, q.Detector, q.QuantisedGraph,
    gated.QGated, *families.LAYERS)}  # fmt: skip


def save(graph: q.QuantisedGraph, path: Path) -> None:
    """Writes a graph; the file's name should end in .npz."""
    arrays: dict[str, np.ndarray] = {}
    description = json.dumps(_describe(graph, arrays))
    with path.open("wb") as file:
        np.savez(file, description=np.frombuffer(description.encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def load(path: Path) -> q.QuantisedGraph:
    """Reads a graph back. Raises HilError where the file is missing or not one of ours."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        graph = _revive(json.loads(arrays["description"].tobytes()), arrays)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError, EOFError, *_DAMAGED) as error:
        raise HilError(f"{path} is no quantised graph ({error}): build the model again with hil build") from error
    return typing.cast(q.QuantisedGraph, graph)


def _describe(value: object, arrays: dict[str, np.ndarray]) -> object:
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value):
        fields = {f.name: _describe(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": fields}
    if isinstance(value, tuple):
        return [_describe(item, arrays) for item in value]
    return value


def _revive(value: object, arrays: dict[str, np.ndarray]) -> object:
    match value:
        case {"array": str(name)}:
            return arrays[name]
        case {"type": str(name), "fields": dict(fields)}:
            return _TYPES[name](**{key: _revive(item, arrays) for key, item in fields.items()})
        case list():
            return tuple(_revive(item, arrays) for item in value)
    return value
