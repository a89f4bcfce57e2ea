"""Reading other people's PyTorch files: tensors and plain values only, and never a line of code out of them."""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hil.errors import HilError

# how the files begin; a safetensors file after the 8 bytes of a length
ZIP, PICKLE, SAFETENSORS_HEADER = b"PK", b"\x80", b"{"
# where training loops put the state dict in larger checkpoints: Lightning's, EdgeML's (VWW's, the faces'), others'
ENVELOPES = ("state_dict", "model", "weight", "model_state_dict", "network")
WRAPPED = re.compile(r"^(module\.)+|_orig_mod\.(module\.)*")  # by DataParallel and its kin, and by torch.compile


def read(path: Path) -> Any:
    """What a file of torch.save holds, or the tensors of a safetensors file by name; on the CPU.

    Raises HilError, in a line, for what is no file, is damaged (its checksums are looked at), or would run code.
    """
    if not path.is_file():
        raise HilError(f"{path} does not exist or is no file: name a checkpoint")
    try:
        start = path.open("rb").read(9)
        if start[8:] == SAFETENSORS_HEADER:
            return safetensors.torch.load_file(path)
        if start.startswith(ZIP):
            _check_sums(path)
        with warnings.catch_warnings(), path.open("rb") as file:  # the open file: of a path, torch looks at the suffix
            warnings.simplefilter("ignore")  # of torch, about files that it then refuses
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, error) from error
    except SafetensorError as error:
        raise HilError(f"{path} is a damaged safetensors file ({error}): copy it again") from error
    except HilError:
        raise
    except Exception as error:  # torch raises half a dozen types for a file it cannot read
        reason = str(error).splitlines()[0].split(". ")[0] if isinstance(error, OSError | RuntimeError) else ""
        raise HilError(_damaged(path, reason)) from error


def is_torch(path: Path) -> bool:
    """Whether a checkpoint is a file of torch.save and not of safetensors: by its content, else by its name."""
    try:
        size, start = path.stat().st_size, path.open("rb").read(9) if path.is_file() else b""
    except OSError:
        size, start = 0, b""
    if start[8:] == SAFETENSORS_HEADER and int.from_bytes(start[:8], "little") < size:
        return False  # although the header's length may begin like a pickle
    if start.startswith((ZIP, PICKLE)):
        return True
    return start[8:] != SAFETENSORS_HEADER and path.suffix != ".safetensors"


def state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, also where a training loop put them into a larger checkpoint or a wrapper's names.

    Raises HilError as read does, and for a file that holds no state dict, or anything but tensors in it.
    """
    content = read(path)
    if isinstance(content, Mapping):
        content = next((content[key] for key in ENVELOPES if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise HilError(f"{path} holds no state dict, bare or under {', '.join(ENVELOPES)}: save one with torch.save")
    odd = [str(name) for name, value in content.items() if not isinstance(value, Tensor) or not isinstance(name, str)]
    if odd:
        raise HilError(f"{path} has entries in its state dict that are no tensors: {', '.join(odd)}")
    bare = [WRAPPED.sub("", name) for name in content]
    if twice := sorted({name for name in bare if bare.count(name) > 1}):
        raise HilError(f"{path} has tensors both with and without 'module.': {', '.join(twice)}; keep one of each")
    return dict(zip(bare, content.values(), strict=True))


def _check_sums(path: Path) -> None:
    """torch.load does not compare a record with its checksum, so that a flipped bit would be another weight.

    torch.save compresses nothing: what unpacks to more than the file has is no work of its.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
            raise HilError(_damaged(path, "its records are larger than the file"))
        damaged = archive.testzip()
    if damaged is not None:
        raise HilError(_damaged(path, f"{damaged} does not have its checksum"))


def _damaged(path: Path, reason: str = "") -> str:
    return f"{path} is no PyTorch checkpoint, or is damaged{f' ({reason})' if reason else ''}: copy it again"


def _refusal(path: Path, error: Exception) -> HilError:
    """The error for a pickle that torch did not want to load."""
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    name = wanted[1] if wanted else _first_callable(path)
    if name is None:
        return HilError(_damaged(path))
    return HilError(
        f"{path} holds more than tensors: loading it would run {name}, which is refused; "
        "where you trust the file, save the state dict alone: torch.save(model.state_dict(), FILE)"
    )


def _first_callable(path: Path) -> str | None:
    """What a bare pickle asks for first, "module.name", without running it; None where the file is no pickle."""
    texts: list[str] = []
    try:
        for operation, argument, _ in pickletools.genops(path.read_bytes()):
            if operation.name == "GLOBAL":
                return str(argument).replace(" ", ".")
            if operation.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            if isinstance(argument, str):
                texts.append(argument)
    except ValueError:  # not an operation
        return None
    return None
