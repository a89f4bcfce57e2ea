"""Where a training runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from hil.errors import HilError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Device:
    """A device of PyTorch. is_mixed: convolutions in bfloat16; RNNPool, losses and parameters stay float32."""

    name: str = "cpu"
    is_mixed: bool = False

    @property
    def is_gpu(self) -> bool:
        return self.name != "cpu"

    def mixed(self) -> AbstractContextManager[object]:
        """What the forward pass runs in. bfloat16 has float32's range, so gradients need no scaling."""
        return torch.autocast(self.name, torch.bfloat16) if self.is_mixed else nullcontext()


def choose(name: str = "auto", precision: str = "auto") -> Device:
    """The GPU where there is one, with mixed precision; the CPU otherwise. Raises HilError for what is not there."""
    if name not in DEVICES or precision not in PRECISIONS:
        raise HilError(f"--device is one of {', '.join(DEVICES)} and --precision one of {', '.join(PRECISIONS)}")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise HilError("PyTorch finds no GPU here (or is a CPU build): omit --device to train on the CPU")
    chosen = "cuda" if has_gpu and name != "cpu" else "cpu"
    is_mixed = precision == "bfloat16" or (precision == "auto" and chosen == "cuda" and torch.cuda.is_bf16_supported())
    return Device(chosen, is_mixed)
