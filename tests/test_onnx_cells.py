"""RNNPool with GRU and LSTM cells in ONNX files: unrolled or as ONNX's own operators, found or named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from networks import quantised
from test_onnx import export, onnx, quiet
from torch import Tensor, nn

import hil.checkpoints.onnx_import as importer
from hil.checkpoints.onnx_import import Told, import_onnx
from hil.errors import HilError
from hil.reference import weights
from hil.reference.gated import Gated
from hil.reference.rnnpool import RnnPool

PYTORCHS = {"gru": nn.GRU, "lstm": nn.LSTM}


class ByHand(nn.Module):
    """RNNPool as somebody writes it with PyTorch's own recurrent layers: Algorithm 1, every window by itself."""

    def __init__(self, kind: str, channels: int, hidden1: int, hidden2: int, patch: int, stride: int) -> None:
        super().__init__()
        self.one, self.two = PYTORCHS[kind](channels, hidden1), PYTORCHS[kind](hidden1, hidden2)
        self.patch, self.stride = patch, stride

    def forward(self, x: Tensor) -> Tensor:
        (_, channels, height, width), patch = x.shape, self.patch
        down, across = ((n - patch) // self.stride + 1 for n in (height, width))
        windows = F.unfold(x, patch, stride=self.stride).reshape(channels, patch, patch, down * across)
        sweeps = []
        for order in ((2, 3, 1, 0), (1, 3, 2, 0)):  # along rows, along columns
            lanes = windows.permute(order).reshape(patch, down * across * patch, channels)
            summaries = self._last(self.one, lanes).reshape(down * across, patch, -1).permute(1, 0, 2)
            sweeps += [self._last(self.two, summaries), self._last(self.two, summaries.flip(0))]
        pooled = torch.cat(sweeps, 1)
        return pooled.T.reshape(1, pooled.shape[1], down, across)

    @staticmethod
    def _last(layer: nn.Module, lanes: Tensor) -> Tensor:
        state = layer(lanes)[1]
        return (state[0] if isinstance(state, tuple) else state)[-1]


def exported(pool: nn.Module, folder: Path) -> tuple[nn.Module, Path]:
    """A convolution and a pool of its map, as a file."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), pool).eval()
    for parameter in network.parameters():
        parameter.data.uniform_(-0.7, 0.7)
    return network, export(network, folder / "pool.onnx", (3, 21, 25))


def pool_of(path: Path) -> RnnPool:
    (pool,) = [module for module in weights.load(path).modules() if isinstance(module, RnnPool)]
    return pool


@pytest.mark.parametrize("kind", PYTORCHS)
@pytest.mark.parametrize("is_unrolled", [True, False])
def test_gated_cells_are_found(kind: str, is_unrolled: bool, tmp_path: Path) -> None:
    pool = RnnPool(4, 3, 2, 4, 2, cell=kind) if is_unrolled else ByHand(kind, 4, 3, 2, 4, 2)
    network, path = exported(pool, tmp_path)
    _, distance = import_onnx(path, Told("pool"), tmp_path / "pool.safetensors", None, 8, quiet)
    found = pool_of(tmp_path / "pool.safetensors")
    assert isinstance(found.cell1, Gated) and found.cell1.kind == kind
    assert (found.patch, found.stride, found.pad, found.hidden1, found.hidden2) == (4, 2, is_unrolled, 3, 2)
    assert distance < 1e-5
    x = torch.randn(1, 3, 21, 25)
    with torch.no_grad():
        torch.testing.assert_close(weights.load(tmp_path / "pool.safetensors")(x), network(x), rtol=1e-4, atol=1e-4)


def test_it_compiles(tmp_path: Path) -> None:
    _, path = exported(ByHand("gru", 4, 3, 2, 4, 2), tmp_path)
    import_onnx(path, Told("pool"), tmp_path / "pool.safetensors", None, 8, quiet)
    graph = quantised(weights.load(tmp_path / "pool.safetensors"))
    assert [layer.name for layer in graph.layers][1] == "rnnpool0"


def test_a_mapping_file_names_gated_cells(tmp_path: Path) -> None:
    _, path = exported(RnnPool(4, 3, 2, 4, 2, cell="gru"), tmp_path)
    model = importer._Model(path)
    (pool,) = importer.find(model.nodes, model.constants, model.shapes, model.input, model.between)
    names = {f"{key}{i}": f"1.cell{i}.{name}" for i in (1, 2) for key, name in
             (("W", "W"), ("U", "U"), ("input", "bias_input"), ("hidden", "bias_hidden"))}  # fmt: skip
    repeated = {tuple(values.shape[-2:]): name for name, values in model.constants.items() if values.ndim == 3}
    names |= {"W1": repeated[9, 4], "W2": repeated[6, 3]}  # x W is a batch of products with one matrix
    lines = [f'{key} = "{name}"' for key, name in {"input": pool.entry, "output": pool.exit, **names}.items()]
    mapping, out = tmp_path / "map.toml", tmp_path / "named.safetensors"
    mapping.write_text("\n".join(["[[rnnpool]]", 'cell = "gru"', *lines, "patch = 4", "stride = 2", "pad = true"]))
    _, distance = import_onnx(path, Told("named", map=mapping), out, None, 8, quiet)
    assert distance < 1e-5 and pool_of(out).cell1.kind == "gru"
    mapping.write_text(mapping.read_text().replace('"gru"', '"elman"'))
    with pytest.raises(HilError, match="does not name RNNPools .*'elman'"):
        import_onnx(path, Told("named", map=mapping), out, None, 8, quiet)


def test_a_gru_that_resets_before_the_product_is_another(tmp_path: Path) -> None:
    """ONNX's default, which PyTorch does not have."""
    _, path = exported(ByHand("gru", 4, 3, 2, 4, 2), tmp_path)
    model = onnx.load(str(path))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "linear_before_reset":
                attribute.i = 0
    onnx.save(model, str(path))
    with pytest.raises(HilError, match="is not known: the bench takes ONNX made of"):
        import_onnx(path, Told("pool"), tmp_path / "pool.safetensors", None, 8, quiet)
