"""Checkpoints of EdgeML: its names, its arithmetic, and one clear error for each thing that can be wrong."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import edgeml_like
import pytest
import safetensors.torch
import torch
from cli import files_under, hil
from torch import Tensor

from hil.errors import HilError
from hil.reference import edgeml
from hil.reference.catalogue import build

VWW = [model for model in edgeml.MODELS if model.startswith("vww")]
State = dict[str, Tensor]


def saved(folder: Path, content: object) -> Path:
    torch.save(content, folder / "checkpoint.pth")
    return folder / "checkpoint.pth"


@pytest.mark.parametrize("model", edgeml.MODELS)
def test_every_network_takes_its_state_dict(model: str, tmp_path: Path) -> None:
    state = edgeml_like.state_dict(model)
    network = edgeml.load(saved(tmp_path, {"weight": state, "epoch": 3}), model)
    for ours, theirs in edgeml.names(network).items():
        if ours == edgeml.FIRST and model == "rnnpool_face_m4":
            continue  # scaled: the next test
        assert torch.equal(network.state_dict()[ours].flatten(), state[theirs].flatten()), ours


@pytest.mark.parametrize("model", VWW)
def test_imported_networks_compute_what_edgeml_computes(model: str, tmp_path: Path) -> None:
    state = edgeml_like.state_dict(model)
    network = edgeml.load(saved(tmp_path, state), model)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(network(x), edgeml_like.vww_logits(model, state, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", edgeml.FRONT)
def test_imported_detectors_compute_what_edgeml_computes(model: str, tmp_path: Path) -> None:
    state = edgeml_like.state_dict(model)
    network = edgeml.load(saved(tmp_path, state), model)
    channels = network.spec.input_shape[0]
    image = torch.randint(0, 256, (1, channels, 128, 192), dtype=torch.uint8)
    levels = image.float() - (torch.tensor([117.312]) if channels == 1 else torch.tensor([123.0, 117.0, 104.0])).view(
        1, -1, 1, 1
    )
    with torch.no_grad():
        found, expected = network.maps(network.normalise(image)), edgeml_like.face_maps(model, state, levels)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_the_third_party_checkpoint_computes_what_edgeml_computes(shared_data: Path) -> None:
    path = shared_data / "vww" / "edgeml_vww_fg_front.pth"
    network = edgeml.load(path, "vww_mobilenet_rnnpool")
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = edgeml_like.vww_logits("vww_mobilenet_rnnpool", edgeml.read_state_dict(path), x)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wrap", [dict, lambda s: {"model": s, "acc": 88.6}, lambda s: {"state_dict": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_envelopes_and_prefixes(wrap: Callable[[State], object], prefix: str, tmp_path: Path) -> None:
    state = edgeml_like.state_dict("rnnpool_face_m4")
    renamed = {prefix + name: tensor for name, tensor in state.items()}
    network = edgeml.load(saved(tmp_path, wrap(renamed)), "rnnpool_face_m4")
    assert torch.equal(network.state_dict()["layers.mob0.project.weight"], state["mob.0.conv.2.weight"])


def test_repetitions_and_counters_may_be_absent(tmp_path: Path) -> None:
    state = edgeml_like.state_dict("rnnpool_face_quant")
    bare = {name: t for name, t in state.items() if "unrollRNN" not in name and "num_batches" not in name}
    assert len(bare) < len(state)
    edgeml.load(saved(tmp_path, bare), "rnnpool_face_quant")


def changed(name: str, tensor: Tensor | None, into: str | None = None) -> State:
    """M4's state dict with a tensor replaced, renamed or (None) taken away."""
    state = edgeml_like.state_dict("rnnpool_face_m4")
    old = state.pop(name)
    if tensor is not None or into is not None:
        state[into or name] = old if tensor is None else tensor
    return state


class RunsCode:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch pwned",)


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "missing": (lambda: changed("loc.2.bias", None), r"does not fit rnnpool_face_m4: 1 tensor missing: loc\.2\.bias$"),
    "renamed": (lambda: changed("conf.1.bias", None, "conf.1.bais"),
                r"1 tensor missing: conf\.1\.bias; 1 tensor not known: conf\.1\.bais$"),
    "misshapen": (lambda: changed("conv.0.weight", torch.zeros(4, 3, 3, 3)),
                  r"conv\.0\.weight is \[4, 3, 3, 3\], expected \[4, 1, 3, 3\]$"),
    "transposed": (lambda: changed("L2Norm3_3.weight", torch.zeros(32, 1)), r"L2Norm3_3\.weight is \[32, 1\]"),
    "nan": (lambda: changed("L2Norm3_3.weight", torch.full((32,), float("nan"))), r"NaN .*: L2Norm3_3\.weight$"),
    "infinite": (lambda: changed("mob.1.conv.2.weight", torch.full((32, 64, 1, 1), float("inf"))), r"mob\.1\.conv\.2"),
    "too large for float32": (lambda: changed("conv.0.weight", torch.full((4, 1, 3, 3), 1e300, dtype=torch.float64)),
                              r"1 tensor with NaN or infinity: conv\.0\.weight$"),
    "a gate": (lambda: changed("rnn_model.cell_rnn.cell.zeta", torch.full((1, 1), float("nan"))), r"NaN .*\.zeta$"),
    "integers": (lambda: changed("loc.0.bias", torch.zeros(4, dtype=torch.int8)), r"not of floats: loc\.0\.bias$"),
    "complex": (lambda: changed("loc.0.bias", torch.zeros(4, dtype=torch.complex64)), r"not of floats: loc\.0\.bias$"),
    "sparse": (lambda: changed("loc.0.bias", torch.ones(4).to_sparse()), r"not of floats: loc\.0\.bias$"),
    "without storage": (lambda: changed("loc.0.bias", torch.ones(4, device="meta")), r"not of floats: loc\.0\.bias$"),
    "a negative variance": (lambda: changed("conv.1.running_var", -torch.ones(4)), r"variance: conv\.1\.running_var$"),
    "extra": (lambda: edgeml_like.state_dict("rnnpool_face_m4") | {"a": torch.ones(1), "b\n": torch.ones(1)},
              r"2 tensors not known: a, 'b\\n'$"),
    "twice": (lambda: edgeml_like.state_dict("rnnpool_face_m4") | {"module.loc.0.bias": torch.ones(4)},
              r"both with and without 'module\.': loc\.0\.bias;"),
    "names of ours": (lambda: build("rnnpool_face_m4").state_dict(), r"this project's names.*tensors missing: conv\.0"),
    "nothing": (dict, "holds no state dict"),
    "no tensor": (lambda: {**edgeml_like.state_dict("rnnpool_face_m4"), "loc.0.bias": 3.0}, r"no tensors: loc\.0"),
    "another network": (lambda: edgeml_like.state_dict("vww_mobilenet_2rnnpool"),
                        r"it is vww_mobilenet_2rnnpool's: pass --model vww_mobilenet_2rnnpool"),
    "a list": (lambda: [torch.zeros(3)], "holds no state dict"),
    "a class of its own": (lambda: torch.nn.Linear(2, 2), r"loading it would run torch\.nn\.modules\.linear\.Linear"),
    "code": (lambda: {"model": RunsCode()}, r"loading it would run \w+\.system, which is refused"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_content_is_named(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    with pytest.raises(HilError, match=message) as caught:
        edgeml.load(saved(tmp_path, content()), "rnnpool_face_m4")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_bare_pickle_does_not_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(RunsCode(), protocol))
    with pytest.raises(HilError, match=r"would run \w+\.system"):
        edgeml.load(tmp_path / "evil.pth", "rnnpool_face_m4")
    assert not (tmp_path / "pwned").exists()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"hello\n",
    "an empty archive": lambda content: b"PK\5\6" + bytes(18),
    "cut in half": lambda content: content[: len(content) // 2],
    "cut at the end": lambda content: content[:-10],
    "a flipped bit": lambda content: content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1])
    + content[len(content) // 2 + 1 :],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_files_that_are_no_checkpoint(damage: str, tmp_path: Path) -> None:
    path = saved(tmp_path, edgeml_like.state_dict("rnnpool_face_m4"))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(HilError, match="is no PyTorch checkpoint, or is damaged") as caught:
        edgeml.load(path, "rnnpool_face_m4")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["state.safetensors", "state.pth"])
def test_safetensors_are_known_by_their_content(name: str, tmp_path: Path) -> None:
    state = edgeml_like.state_dict("rnnpool_face_m4")
    path = tmp_path / name
    safetensors.torch.save_file({key: tensor.clone() for key, tensor in state.items()}, path)
    assert torch.equal(edgeml.load(path, "rnnpool_face_m4").loc[0].bias, state["loc.0.bias"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(HilError, match="is a damaged safetensors file"):
        edgeml.load(path, "rnnpool_face_m4")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_are_converted(dtype: torch.dtype, tmp_path: Path) -> None:
    state = edgeml_like.state_dict("rnnpool_face_m4")
    stored = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    network = edgeml.load(saved(tmp_path, stored), "rnnpool_face_m4")
    assert torch.equal(network.loc[0].weight, stored["loc.0.weight"].float())
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


def test_files_from_before_zip_archives(tmp_path: Path) -> None:
    torch.save(edgeml_like.state_dict("rnnpool_face_m4"), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    edgeml.load(tmp_path / "old.pth", "rnnpool_face_m4")
    (tmp_path / "old.pth").write_bytes((tmp_path / "old.pth").read_bytes()[:50_000])
    with pytest.raises(HilError, match="is damaged"):
        edgeml.load(tmp_path / "old.pth", "rnnpool_face_m4")


def test_unknown_networks_and_files(tmp_path: Path) -> None:
    with pytest.raises(HilError, match="no network of EdgeML is called 'rnnpool_face_a'"):
        edgeml.load(tmp_path / "x.pth", "rnnpool_face_a")
    for path in (tmp_path / "x.pth", tmp_path):
        with pytest.raises(HilError, match="does not exist or is no file"):
            edgeml.load(path, "rnnpool_face_m4")


def test_the_command_refuses_in_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, changed("loc.2.bias", None))
    before = files_under(tmp_path)
    out = tmp_path / "out.safetensors"
    outcome = hil(capsys, monkeypatch, "import", "edgeml", path, "--model", "rnnpool_face_m4", "-o", out)
    assert outcome.code == 2 and re.search(r"error: .*missing: loc\.2\.bias\n", outcome.err)
    assert files_under(tmp_path) == before


def test_the_command_makes_a_checkpoint_that_compiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hil.firmware.model import load_model

    path, out = saved(tmp_path, edgeml_like.state_dict("rnnpool_face_m4")), tmp_path / "out.safetensors"
    outcome = hil(capsys, monkeypatch, "import", "edgeml", path, "--model", "rnnpool_face_m4", "-o", out)
    assert outcome.code == 0 and "sample photos" in outcome.out
    assert load_model(str(out))[0].model == "rnnpool_face_m4"
