"""Checkpoints: what goes in comes out, and a broken one is refused with everything that is wrong with it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from cli import hil

from hil import zoo
from hil.checkpoints.calibration import round_checkpoint
from hil.compiler.quantise import compile_network
from hil.compiler.quantised.graph import QConv
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.reference import stored, weights
from hil.reference.networks import build


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "m4.safetensors"
    weights.save(build("rnnpool_face_m4"), path, {"note": "untrained"})
    return path


def changed(checkpoint: Path, out: Path, network: str = "rnnpool_face_m4", version: str = "1", **tensors) -> Path:
    """The checkpoint with some tensors replaced, added or (None) left out."""
    content = safetensors.torch.load_file(checkpoint) | {name.replace("__", "."): t for name, t in tensors.items()}
    kept = {name: tensor for name, tensor in content.items() if tensor is not None}
    safetensors.torch.save_file(kept, out, {"network": network, "format": version})
    return out


def test_a_saved_network_comes_back(checkpoint: Path) -> None:
    torch.manual_seed(3)
    original, loaded = build("rnnpool_face_m4"), weights.load(checkpoint)
    assert not loaded.training
    assert loaded.spec == original.spec
    for (name, ours), theirs in zip(original.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    assert weights.metadata(checkpoint)["note"] == "untrained"


@pytest.mark.parametrize(("precision", "part"), [("float16", 0.6), ("int8", 0.45)])
def test_narrow_weights_take_less_and_load_as_what_they_were_rounded_to(
    checkpoint: Path, tmp_path: Path, precision: stored.Precision, part: float
) -> None:
    network, path = weights.load(checkpoint), tmp_path / "narrow.safetensors"
    stored.round_weights(network, precision)
    weights.save(network, path, {stored.KEY: precision})
    assert path.stat().st_size < part * checkpoint.stat().st_size
    for (name, ours), theirs in zip(
        network.state_dict().items(), weights.load(path).state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    kept = tmp_path / "kept.safetensors"
    weights.save(weights.load(path), kept, weights.metadata(path))  # as an operating point is added
    assert kept.read_bytes() == path.read_bytes()


def test_learnt_ranges_stay_with_rounded_weights(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "rounded.safetensors"
    with pytest.raises(HilError, match="no ranges to keep: give --images"):
        round_checkpoint(str(checkpoint), out, "int8")
    round_checkpoint("rnnpool_face_quant", out, "int8")
    whole = weights.metadata(zoo.find("rnnpool_face_quant"))
    assert weights.metadata(out) == whole | {stored.KEY: "int8"}
    assert out.stat().st_size < 0.6 * zoo.find("rnnpool_face_quant").stat().st_size


def test_weights_alone_are_rounded_from_the_command_line(capsys, monkeypatch, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    outcome = hil(capsys, monkeypatch, "quantise", "rnnpool_face_quant", "--weights", "int8", "-o", theirs)
    assert outcome.code == 0 and f"next: hil build {theirs}" in " ".join(outcome.out.split())
    round_checkpoint("rnnpool_face_quant", ours, "int8")
    assert ours.read_bytes() == theirs.read_bytes()
    outcome = hil(capsys, monkeypatch, "quantise", "rnnpool_face_quant", "--weights", "int4", "-o", tmp_path / "none")
    assert outcome.code == 2 and "int4" in outcome.err and not (tmp_path / "none").exists()


def test_what_half_precision_cannot_hold_is_an_error(checkpoint: Path) -> None:
    network = weights.load(checkpoint)
    with torch.no_grad():
        next(parameter for parameter in network.parameters() if parameter.dim() > 1).fill_(70_000.0)
    with pytest.raises(HilError, match=r"beyond 65504.*keep the weights whole"):
        stored.round_weights(network, "float16")


def test_eight_bits_are_the_devices(checkpoint: Path) -> None:
    network = weights.load(checkpoint)
    ranges = {op.name: 4.0 for op in trace(network).operators}
    before = compile_network(network, ranges)
    stored.round_weights(network, "int8")
    differences = [
        np.abs(one.weight.astype(int) - other.weight)
        for one, other in zip(before.layers, compile_network(network, ranges).layers, strict=True)
        if isinstance(one, QConv) and isinstance(other, QConv)
    ]
    assert len(differences) > 10 and max(difference.max() for difference in differences) <= 1
    assert np.concatenate([difference.ravel() for difference in differences]).mean() < 0.005, "halves may go either way"


def test_eight_bits_without_their_scales_are_an_error(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "narrow.safetensors"
    weights.save(weights.load(checkpoint), path, {stored.KEY: "int8"})
    tensors = safetensors.torch.load_file(path)
    name = next(name for name in tensors if name.endswith(stored.SCALE))
    for spoilt in (None, tensors[name][:-1], tensors[name] * float("nan")):
        content = {other: spoilt if other == name else tensor for other, tensor in tensors.items()}
        kept = {name: tensor for name, tensor in content.items() if tensor is not None}
        safetensors.torch.save_file(kept, path, weights.metadata(path))
        with pytest.raises(HilError, match="1 tensor (not of floats|with NaN)"):
            weights.load(path)


def test_scales_do_not_make_a_small_tensor_a_huge_one(checkpoint: Path, tmp_path: Path) -> None:
    path, many = tmp_path / "narrow.safetensors", 300_000
    tensors = safetensors.torch.load_file(checkpoint)
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 4)
    tensors |= {name: torch.ones(many, 1, dtype=torch.int8), name + stored.SCALE: torch.ones(many)}
    safetensors.torch.save_file(tensors, path, weights.metadata(checkpoint) | {stored.KEY: "int8"})
    with pytest.raises(HilError, match="1 tensor of another shape"):
        weights.load(path)


def test_equal_networks_make_equal_files(checkpoint: Path, tmp_path: Path) -> None:
    network, again = weights.load(checkpoint), tmp_path / "again.safetensors"
    weights.save(network, again, {"z": "ü", "note": "untrained", "a": "b" * 9})
    first = again.read_bytes()
    for order in (("a", "z", "note"), ("note", "a", "z")):
        weights.save(network, again, {name: weights.metadata(again)[name] for name in order})
        assert again.read_bytes() == first
    assert int.from_bytes(first[:8], "little") % 8 == 0


def test_everything_wrong_is_listed_at_once(checkpoint: Path, tmp_path: Path) -> None:
    bad = torch.full((16,), float("nan"))
    path = changed(
        checkpoint, tmp_path / "bad.safetensors",
        loc__0__weight=None, conf__3__bias=None, invented=torch.zeros(1), loc__1__bias=torch.zeros(5),
        layers__rnnpool__cell1__bias_gate=bad, norms__0__weight=torch.full((32,), float("inf")),
    )  # fmt: skip
    with pytest.raises(HilError) as error:
        weights.load(path)
    message = str(error.value)
    assert "2 tensors missing: " in message and "loc.0.weight" in message and "conf.3.bias" in message
    assert "invented" in message
    assert "loc.1.bias is [5], expected [4]" in message
    assert "layers.rnnpool.cell1.bias_gate" in message and "norms.0.weight" in message
    assert "\n" not in message


def test_an_unknown_network_or_format_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(HilError, match="'resnet50'.*rnnpool_face_m4"):
        weights.load(changed(checkpoint, tmp_path / "a.safetensors", network="resnet50"))
    with pytest.raises(HilError, match="format '2'.*reads '1'"):
        weights.load(changed(checkpoint, tmp_path / "b.safetensors", version="2"))


def test_a_file_that_is_no_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(checkpoint.read_bytes()[:1000])
    text = tmp_path / "text.pt"
    text.write_text("weights")
    for path, reason in ((truncated, "not a safetensors file"), (text, "or is damaged"), (tmp_path, "no file")):
        with pytest.raises(HilError, match=reason):
            weights.load(path)


def test_a_state_dict_under_our_names_loads(checkpoint: Path, tmp_path: Path) -> None:
    network = weights.load(checkpoint)
    torch.save(network.state_dict(), tmp_path / "m4.pt")
    assert torch.equal(weights.load(tmp_path / "m4.pt").conf[2].weight, network.conf[2].weight)
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(HilError, match="no state dict of a known network"):
        weights.load(tmp_path / "other.pt")


class Payload:
    def __reduce__(self) -> tuple:
        return subprocess.check_call, ([sys.executable, "-c", "raise SystemExit(9)"],)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    torch.save({"weights": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(HilError, match=r"would run \w+\.check_call"):
        weights.load(tmp_path / "evil.pt")


def test_a_failed_save_leaves_the_old_file(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m4.safetensors"
    path.write_bytes(checkpoint.read_bytes())

    def interrupted(*_: object) -> None:
        assert len(list(tmp_path.iterdir())) == 2, "the new one is beside the old one"
        raise KeyboardInterrupt

    monkeypatch.setattr("hil.files.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights.save(build("rnnpool_face_m4"), path)
    assert path.read_bytes() == checkpoint.read_bytes() and list(tmp_path.iterdir()) == [path]


def test_the_zoo_finds_names_and_paths_and_lists_what_it_has(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert zoo.find(checkpoint) == checkpoint
    monkeypatch.setattr(zoo, "names", lambda: ["rnnpool_face_m4"])
    assert zoo.find("rnnpool_face_m4").name == "rnnpool_face_m4.safetensors"
    with pytest.raises(HilError, match="unknown model 'm5'.*rnnpool_face_m4"):
        zoo.find("m5")


WRAPPERS = {
    "bare": lambda state: state,
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "torch.compile": lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    "both": lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
    "both, the other way": lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
    "Lightning": lambda state: {"epoch": 3, "state_dict": state, "optimizer_states": []},
    "a training loop": lambda state: {"step": 3, "model_state_dict": {f"module.{n}": t for n, t in state.items()}},
}


@pytest.mark.parametrize("name", ["m4.pt", "m4.ckpt", "m4.bin", "m4.pth.tar", "m4", "m4.safetensors"])
def test_a_torch_file_is_known_by_its_content(checkpoint: Path, tmp_path: Path, name: str) -> None:
    network = weights.load(checkpoint)
    torch.save(network.state_dict(), tmp_path / name)
    assert torch.equal(weights.load(tmp_path / name).conf[2].weight, network.conf[2].weight)
    assert weights.metadata(tmp_path / name) == {}


def test_a_safetensors_file_is_known_by_its_content(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "m4.bin").write_bytes(checkpoint.read_bytes())
    assert weights.load(tmp_path / "m4.bin").spec.name == "rnnpool_face_m4"
    assert weights.metadata(tmp_path / "m4.bin")["note"] == "untrained"


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_state_dict_is_found_in_what_frameworks_make_of_it(checkpoint: Path, tmp_path: Path, wrap) -> None:
    network = weights.load(checkpoint)
    torch.save(wrap(network.state_dict()), tmp_path / "m4.ckpt")
    assert torch.equal(weights.load(tmp_path / "m4.ckpt").conf[2].weight, network.conf[2].weight)


def test_a_file_without_a_state_dict_says_what_was_looked_for(checkpoint: Path, tmp_path: Path) -> None:
    state = weights.load(checkpoint).state_dict()
    for content, message in (
        ({"epoch": 3}, "holds no state dict, bare or under state_dict, model"),
        ([1, 2], "holds no state dict"),
        ({"state_dict": {**state, "loss": 0.1}}, "no tensors: loss"),
        ({**state, "module.loc.0.bias": torch.ones(4)}, "both with and without 'module.': loc.0.bias"),
    ):
        torch.save(content, tmp_path / "odd.ckpt")
        with pytest.raises(HilError, match=message):
            weights.load(tmp_path / "odd.ckpt")


def test_a_tensor_of_a_few_bytes_and_any_size_is_of_another_shape(checkpoint: Path, tmp_path: Path) -> None:
    state, path = weights.load(checkpoint).state_dict(), tmp_path / "huge.pt"
    name = next(name for name in state if name.endswith("weight"))
    torch.save(state | {name: torch.zeros(1).expand(1 << 40)}, path)
    with pytest.raises(HilError, match=f"{name} is .1099511627776., expected"):
        weights.load(path)


def test_a_torch_file_that_unpacks_to_more_than_it_has_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    torch.save(weights.load(checkpoint).state_dict(), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/zeros", bytes(10 << 20))
    with pytest.raises(HilError, match="its records are larger than the file"):
        weights.load(path)
