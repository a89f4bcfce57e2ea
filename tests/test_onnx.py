"""ONNX files: the same numbers as onnxruntime, RNNPool found among unrolled cells or named, the rest refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import quantised, randomise
from torch import Tensor, nn

from hil.checkpoints.onnx_import import Told, import_onnx, import_program
from hil.compiler import run
from hil.compiler.integer import Trace
from hil.errors import HilError
from hil.reference import weights
from hil.reference.blocks import ConvBnRelu6, MbConv
from hil.reference.own import OwnClassifier
from hil.reference.rnnpool import RnnPool

onnx = pytest.importorskip("onnx", reason="needs the extra: pip install 'rnnpool-hil[onnx]'")
pytest.importorskip("onnxruntime", reason="needs the extra: pip install 'rnnpool-hil[onnx]'")


class Elsewhere(nn.Module):
    """A network as somebody trained it: RNNPool, branches, a SiLU, a pool, a fully connected layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvBnRelu6(3, 4, 3, 2)
        self.pool = RnnPool(4, 6, 4, patch=6, stride=3)
        self.block = MbConv(16, 16, 2)
        self.left, self.right = nn.Sequential(nn.Conv2d(16, 8, 1), nn.SiLU()), nn.MaxPool2d(3, 1, 1)
        self.down = nn.AvgPool2d(2)
        self.linear = nn.Linear(24 * 3 * 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.pool(self.conv(x)))
        x = self.down(torch.cat([self.left(x), self.right(x)], 1))
        return self.linear(x.flatten(1))


def export(network: nn.Module, path: Path, shape: tuple[int, int, int] = (3, 36, 40)) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), torch.zeros(1, *shape), str(path), opset_version=17, dynamo=False)
    return path


def test_onnxruntime_leaves_nothing_among_the_users_files(tmp_path: Path) -> None:
    given = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    given.pop("XDG_CACHE_HOME", None)
    code = "import os; from hil.checkpoints.onnx_runtime import load; load(); assert os.environ['TMPDIR']"
    subprocess.run([sys.executable, "-c", code], env=given, check=True)
    assert not list(tmp_path.iterdir())


def quiet(what: str, done: float) -> None:
    pass


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> tuple[nn.Module, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(4)
    network = randomise(Elsewhere())
    out = folder / "elsewhere.safetensors"
    used, distance = import_onnx(
        export(network, folder / "elsewhere.onnx"), Told("elsewhere", ("a", "b", "c")), out, None, 8, quiet
    )
    assert used > 8 and distance < 1e-4
    return network, out


def test_an_imported_network_computes_what_it_did(imported: tuple[nn.Module, Path]) -> None:
    network, path = imported
    ours = weights.load(path)
    assert isinstance(ours, OwnClassifier) and ours.spec.classes == ("a", "b", "c")
    x = torch.randn(2, 3, 36, 40)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), network(x), rtol=1e-3, atol=1e-3)


def test_the_unrolled_cells_are_one_rnnpool_again(imported: tuple[nn.Module, Path]) -> None:
    network, path = imported
    (pool,) = [module for module in weights.load(path).modules() if isinstance(module, RnnPool)]
    assert (pool.patch, pool.stride, pool.pad, pool.hidden1, pool.hidden2) == (6, 3, True, 6, 4)
    torch.testing.assert_close(pool.cell1.U, network.pool.cell1.U)


def test_it_compiles_from_the_checkpoint_alone(imported: tuple[nn.Module, Path]) -> None:
    ours = weights.load(imported[1])
    graph = quantised(ours)
    made: Trace = run(graph, np.random.default_rng(0).integers(0, 256, (36, 40, 3), np.uint8))
    assert made[graph.layers[-1].name].shape == (1, 1, 3)
    assert {"rnnpool0", "network_cat"} <= {layer.name for layer in graph.layers}


def test_a_mapping_file_names_the_pool(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = randomise(Elsewhere())
    path = export(network, tmp_path / "elsewhere.onnx")
    found: dict[str, str] = {}
    import hil.checkpoints.onnx_import as importer

    model = importer._Model(path)
    cells = {"1": network.pool.cell1, "2": network.pool.cell2}
    for number, cell in cells.items():
        wanted = {"W": cell.W, "U": cell.U, "gate": cell.bias_gate, "update": cell.bias_update}
        for key, parameter in wanted.items():
            values = parameter.detach().numpy()
            ways = (values, values.T) if values.ndim == 2 else (values,)
            named = {n: c[0] if c.ndim == 3 else c for n, c in model.constants.items()}
            same = [
                n
                for n, c in named.items()
                for way in ways
                if c.size == way.size and np.array_equal(c.ravel(), way.ravel())
            ]
            found[f"{key}{number}"] = same[0]
    (pool,) = list(importer.find(model.nodes, model.constants, model.shapes, model.input, model.between))
    lines = [f'{key} = "{name}"' for key, name in {"input": pool.entry, "output": pool.exit, **found}.items()]
    mapping = tmp_path / "map.toml"
    mapping.write_text("\n".join(["[[rnnpool]]", *lines, "patch = 6", "stride = 3", "pad = true"]))
    out = tmp_path / "named.safetensors"
    _, distance = import_onnx(path, Told("named", (), map=mapping), out, None, 8, quiet)
    assert distance < 1e-4
    mapping.write_text("[[rnnpool]]\ninput = 'nowhere'\n")
    with pytest.raises(HilError, match="does not name RNNPools"):
        import_onnx(path, Told("named", (), map=mapping), out, None, 8, quiet)


def test_an_exported_program_goes_the_same_way(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra: pip install 'rnnpool-hil[onnx]'")
    torch.manual_seed(4)
    network = randomise(Elsewhere())
    path = tmp_path / "elsewhere.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 36, 40),)), path)
    out = tmp_path / "program.safetensors"
    _, distance = import_program(path, Told("program", ("a", "b", "c")), out, None, 8, quiet)
    assert distance < 1e-4
    assert any(isinstance(module, RnnPool) for module in weights.load(out).modules())
    (tmp_path / "text.pt2").write_text("hello")
    with pytest.raises(HilError, match="is no exported program"):
        import_program(tmp_path / "text.pt2", Told("program"), out, None, 8, quiet)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(1)),
            "Softmax at .* is not known: the bench takes ONNX made of Conv,",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(-1, 1)), "Clip at .* clips to -1.0 and 1.0"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, ceil_mode=True)),
            r"MaxPool2d\(.*ceil_mode=True\) of 38x34 pixels \(whole windows only: ceil_mode=False\)",
        ),
    ],
)
def test_what_is_not_known_is_refused_by_name(module: nn.Module, message: str, tmp_path: Path) -> None:
    path = export(module, tmp_path / "odd.onnx")
    with pytest.raises(HilError, match=message):
        import_onnx(path, Told("odd"), tmp_path / "odd.safetensors", None, 8, quiet)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for name, message in (("text.onnx", "is no ONNX file that onnxruntime can read"), ("gone.onnx", "does not exist")):
        with pytest.raises(HilError, match=message) as caught:
            import_onnx(tmp_path / name, Told("odd"), tmp_path / "odd.safetensors", None, 8, quiet)
        assert "\n" not in str(caught.value)
    with pytest.raises(HilError, match=r"must end in \.safetensors"):
        import_onnx(tmp_path / "text.onnx", Told("odd"), tmp_path / "odd.pt", None, 8, quiet)
