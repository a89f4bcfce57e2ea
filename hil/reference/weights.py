"""Checkpoints: a network's tensors in a safetensors file, with its name and the format's version as metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hil.errors import HilError
from hil.files import write_bytes
from hil.reference import found, torch_file
from hil.reference.catalogue import SPECS, Network, build, of_checkpoint
from hil.reference.described import network_of
from hil.reference.fitting import problems
from hil.reference.stored import packed, precision_of, unpacked

FORMAT = "1"


def save(network: Network, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the network's tensors, its name, the format version and any other metadata (strings), all or nothing.

    The metadata says, too, how weights are kept (hil.reference.stored). Raises HilError where the file cannot be
    written.
    """
    described = {**(metadata or {}), "network": network.spec.name, "format": FORMAT}
    kept = packed(network.state_dict(), precision_of(described))
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}
    if made_by := getattr(network, "made_by", None):
        described["made_by"] = made_by
    if description := getattr(network, "described", None):
        described["description"] = description
    write_bytes(path, _sorted(safetensors.torch.save(tensors, described)))


def _sorted(file: bytes) -> bytes:
    """A safetensors file with its metadata in order, which the library draws anew: equal networks make equal files."""
    size = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors behind it stay aligned
    return len(text).to_bytes(8, "little") + text + file[8 + size :]


def load(path: Path) -> Network:
    """The network of a checkpoint, in evaluation mode.

    A file of torch.save loads too, whatever it is called, with weights_only=True: a state dict under our names, taken
    for the network whose tensors it holds. Raises HilError for a file that cannot be read or would run code, an unknown
    network, NaN or infinite values, and tensors that are missing, extra or misshapen (all are listed).
    """
    path = Path(path)
    if not path.is_file():
        raise HilError(f"{path} does not exist or is no file: name a checkpoint (.safetensors)")
    network, tensors = _read_torch(path) if torch_file.is_torch(path) else _read_safetensors(path)
    name = network.spec.name
    state = network.state_dict()
    if faults := problems({tensor_name: tensor.shape for tensor_name, tensor in state.items()}, tensors):
        raise HilError(f"{path} does not fit {name}: " + "; ".join(faults))
    network.load_state_dict(state | tensors)
    return network.eval()


def metadata(path: Path) -> dict[str, str]:
    """The metadata of a checkpoint; a file of torch.save has none. Raises HilError where it is damaged."""
    if torch_file.is_torch(path):
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise HilError(f"{path} is not a safetensors file ({error}): it may be truncated, copy it again") from error


def code_of(path: Path) -> tuple[str, bytes] | None:
    """The file whose code makes a checkpoint's network: its name as the checkpoint remembers it, and what it holds.

    None where there is none: a network that the bench has itself, a package's, a description's.
    """
    remembered = metadata(path).get("made_by", "")
    reference = found.insisted() or remembered
    if not found.is_file_reference(remembered) or not found.is_file_reference(reference):
        return None
    file = found.file_of(reference, (path.parent, Path()))
    return (remembered.rsplit(":", 1)[0], file.read_bytes()) if file else None


def _read_safetensors(path: Path) -> tuple[Network, dict[str, Tensor]]:
    described = metadata(path)
    if "network" not in described:
        raise HilError(f"{path} does not say which network it is for: its metadata lacks 'network'")
    if described.get("format") != FORMAT:
        found = described.get("format")
        raise HilError(f"{path} has format {found!r}, this version reads {FORMAT!r}: update rnnpool-hil")
    tensors = unpacked(safetensors.torch.load_file(path), precision_of(described))
    if "description" in described:
        return network_of(described["description"]), tensors
    return of_checkpoint(described["network"], described.get("made_by"), path.parent), tensors


def _read_torch(path: Path) -> tuple[Network, dict[str, Tensor]]:
    content = torch_file.state_dict(path)
    if given := found.insisted():
        network = build(given)
        return network, _under_our_names(content, network)
    name = _recognise(content)
    if name is None:
        raise HilError(
            f"{path} holds no state dict of a known network ({', '.join(SPECS)}): for one of your own pass --network"
        )
    return build(name), content


def _under_our_names(tensors: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """A state dict of the user's module as one of the network around it."""
    wanted = network.state_dict()
    is_inner = not tensors.keys() & wanted.keys() and any(f"network.{name}" in wanted for name in tensors)
    return {f"network.{name}" if is_inner else name: tensor for name, tensor in tensors.items()}


def _recognise(tensors: Mapping[str, Any]) -> str | None:
    """The network that shares the most tensor names with a state dict; None if fewer than half are known."""
    with torch.device("meta"):
        known = {name: build(name).state_dict().keys() for name in SPECS}
    shared = {name: len(tensors.keys() & keys) for name, keys in known.items()}
    best = max(shared, key=lambda name: shared[name] / len(known[name]))
    return best if shared[best] * 2 > len(tensors) else None
