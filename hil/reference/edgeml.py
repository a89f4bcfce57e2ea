"""Checkpoints of microsoft/EdgeML, and of whoever trained with its code, as networks of ours.

Names are translated tensor by tensor, and M4's first convolution to the scale that its input has here. EdgeML keeps
every recurrent cell's tensors a second and third time under `unrollRNN`, which is ignored, and DataParallel puts
`module.` in front of everything, which may be there or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hil.errors import HilError
from hil.reference import torch_file
from hil.reference.catalogue import SPECS, of_spec
from hil.reference.classifiers import Classifier
from hil.reference.fitting import problems
from hil.reference.networks import Detector

NORMS = ("L2Norm3_3", "L2Norm4_3", "L2Norm5_3")
FRONT = {  # the convolutions in front of RNNPool, by their layer's name here
    "rnnpool_face_m4": {"conv0": "conv"},
    "rnnpool_face_qvga_mono": {"conv0": "conv"},
    "rnnpool_face_quant": {"conv0": "conv_top.0", "conv1": "conv_top.1"},
    "rnnpool_face_c": {},
}
MODELS = (*FRONT, "vww_mobilenet_rnnpool", "vww_mobilenet_2rnnpool", "vww_mobilenet_last_rnnpool")
FIRST = "layers.conv0.conv.weight"  # of the detectors: EdgeML's read grey levels as they are, M4 scales them here
_REPEATED = re.compile(r"\.unrollRNN\.")


def load(path: Path, model: str) -> Detector | Classifier:
    """The network of an EdgeML checkpoint, in evaluation mode.

    model: one of MODELS. Raises HilError, in a line, for an unknown model, a file that is not there, is damaged or
    would run code, and tensors that are missing, extra, misshapen or not finite, all of which are listed.
    """
    if model not in MODELS:
        raise HilError(f"no network of EdgeML is called {model!r}: pass --model with one of {', '.join(MODELS)}")
    found = read_state_dict(Path(path))
    network = of_spec(SPECS[model])
    if faults := _problems(network, found):
        raise HilError(f"{path} does not fit {model}{_hint(found, model)}: {'; '.join(faults)}")
    state = network.state_dict()
    for ours, theirs in names(network).items():
        if theirs in found:
            state[ours] = found[theirs].reshape(state[ours].shape).to(state[ours].dtype)
    if isinstance(network, Detector) and FIRST in state:
        state[FIRST] = state[FIRST] / torch.tensor(network.spec.input_scale).view(1, -1, 1, 1)
    network.load_state_dict(state)
    return network.eval()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file by EdgeML's names, without `module.` and without the repetitions.

    Raises HilError as torch_file.state_dict does.
    """
    return {name: tensor for name, tensor in torch_file.state_dict(path).items() if not _REPEATED.search(name)}


def names(network: Detector | Classifier) -> dict[str, str]:
    """EdgeML's name of every tensor of a network of MODELS, by the name it has here."""
    prefixes = dict(_detector_names(network) if isinstance(network, Detector) else _classifier_names(network))
    found = {}
    for name in network.state_dict():
        module = next(prefix for prefix in prefixes if name == prefix or name.startswith(prefix + "."))
        found[name] = prefixes[module] + name[len(module) :]
    return found


def _detector_names(network: Detector) -> Iterator[tuple[str, str]]:
    """Modules here and what EdgeML calls them, those that lie deeper first."""
    front = FRONT[network.spec.name]
    for name in network.layers:
        if name.startswith("mob"):
            yield from _block(f"layers.{name}", f"mob.{name[3:]}.conv", network.layers[name])
        elif name == "rnnpool":
            yield from _pool("layers.rnnpool", "rnn_model")
        else:
            yield from _conv(f"layers.{name}", front[name])
    for i, name in enumerate(NORMS):
        yield f"norms.{i}", name
    for kind in ("loc", "conf"):
        yield from _heads(network, kind)


def _heads(network: Detector, kind: str) -> Iterator[tuple[str, str]]:
    """The heads' convolutions; a head of two (Quant's first) takes two places of EdgeML's list."""
    place = 0
    for i, source in enumerate(network.spec.sources):
        if source.reduce is not None:
            yield from _conv(f"{kind}.{i}.0", f"{kind}.{place}")
            yield f"{kind}.{i}.1", f"{kind}.{place + 1}"
            place += 2
        else:
            yield f"{kind}.{i}", f"{kind}.{place}"
            place += 1


def _classifier_names(network: Classifier) -> Iterator[tuple[str, str]]:
    """As _detector_names, for MobileNetV2: `features` are its blocks and the 1x1 convolution behind them."""
    blocks = [name for name in network.layers if name.startswith("mob")]
    for i, name in enumerate(blocks):
        yield from _block(f"layers.{name}", f"features.{i}.conv", network.layers[name])
    yield from _conv("layers.conv0", "features_init")
    yield from _conv("layers.conv1", f"features.{len(blocks)}")
    pools = [name for name in network.layers if name.startswith("rnnpool")]
    has_mean = "mean" in network.layers
    for i, name in enumerate(pools):
        is_last = i == len(pools) - 1 and not has_mean
        yield from _pool(f"layers.{name}", "rnn_model_end" if is_last else "rnn_model")
    yield "logits", "classifier.1" if has_mean else "classifier.0"  # a dropout comes before it where a mean does


def _conv(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.conv", f"{theirs}.0"
    yield f"{ours}.bn", f"{theirs}.1"


def _block(ours: str, theirs: str, block: nn.Module) -> Iterator[tuple[str, str]]:
    first = 0 if isinstance(block.expand, nn.Identity) else 1
    if first:
        yield from _conv(f"{ours}.expand", f"{theirs}.0")
    yield from _conv(f"{ours}.depthwise", f"{theirs}.{first}")
    yield f"{ours}.project", f"{theirs}.{first + 1}"
    yield f"{ours}.bn", f"{theirs}.{first + 2}"


def _pool(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.cell1", f"{theirs}.cell_rnn.cell"
    yield f"{ours}.cell2", f"{theirs}.cell_bidirrnn.cell"


def _problems(network: Detector | Classifier, found: Mapping[str, Tensor]) -> list[str]:
    """What is wrong with the found tensors, a text a kind; names are the file's own."""
    state = network.state_dict()
    return problems({theirs: state[ours].shape for ours, theirs in names(network).items()}, found, _fits)


def _fits(shape: torch.Size, wanted: torch.Size) -> bool:
    """Whether a tensor has the wanted shape. EdgeML's biases are (1, hidden), its zeta and nu (1, 1)."""
    return shape == wanted or (len(wanted) < 2 and shape.numel() == wanted.numel() and shape[:-1].numel() == 1)


def _hint(found: Mapping[str, Tensor], model: str) -> str:
    """Which network the tensors fit, where one does; or that they are under our names already."""
    if any(name.startswith("layers.") for name in found):
        return " (its tensors have this project's names: hil build takes it as it is)"
    fitting = (other for other in MODELS if other != model and not _problems(of_spec(SPECS[other]), found))
    return next((f" (it is {other}'s: pass --model {other})" for other in fitting), "")
