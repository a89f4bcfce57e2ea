"""The RNNPool layer (Saha et al., NeurIPS 2020, Algorithm 1), computed without its redundancy.

Neighbouring windows overlap, so most of what Algorithm 1 computes a window is shared: W x is the same for every sweep
that visits a pixel, a row's summary is the same for both windows that hold the row, and W applied to a summary serves
both directions. Everything here works on "lanes": tensors (T, channels, L), where a recurrence runs along T and L are
independent sequences. None of it changes a result.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hil.reference.fastgrnn import FastGrnn
from hil.reference.gated import Gated, Gru, Lstm
from hil.reference.sweep import sweep

CELLS: dict[str, type[Gated]] = {"gru": Gru, "lstm": Lstm}


class RnnPool(nn.Module):
    """Pools each patch x patch window to 4 * hidden2 numbers with two sweeps of two RNNs.

    cell1 runs along every row and every column of a window; cell2 runs over those summaries in both directions. The
    output channels are cell2 over rows downwards, rows upwards, columns rightwards, columns leftwards. Shape
    (N, in_channels, H, W) to (N, 4 * hidden2, Ho, Wo) with Ho = (H - patch) // stride + 1, and one more row and column,
    copies of the last, where pad is set. Pixels beyond the last whole window are not read.
    cell: "fastgrnn" (the paper's), "gru" or "lstm". Raises ValueError for another cell, a wrong number of channels or a
    map smaller than a window.
    """

    def __init__(
        self,
        in_channels: int,
        hidden1: int,
        hidden2: int,
        patch: int = 8,
        stride: int = 4,
        pad: bool = True,
        nonlinearity: str = "sigmoid_tanh",
        cell: str = "fastgrnn",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden1 = hidden1
        self.hidden2 = hidden2
        self.patch = patch
        self.stride = stride
        self.pad = pad
        self.cell1 = _cell(cell, in_channels, hidden1, nonlinearity)
        self.cell2 = _cell(cell, hidden1, hidden2, nonlinearity)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or not torch.is_autocast_enabled(x.device.type):
            return self._pooled(x)
        # Mixed precision stops here: states go through 16 steps, and bfloat16 has fewer bits than the firmware's int16.
        with torch.autocast(x.device.type, enabled=False):
            return self._pooled(x.float())

    def _pooled(self, x: Tensor) -> Tensor:
        x = self._whole_windows(x)
        rows = self._summaries(x.permute(3, 1, 0, 2))  # (Wo, hidden1, N, H): each row, once a horizontal window
        columns = self._summaries(x.permute(2, 1, 0, 3))  # (Ho, hidden1, N, W)
        vertical = self._both_ways(rows.permute(3, 1, 2, 0))  # (Ho, 2 * hidden2, N, Wo)
        horizontal = self._both_ways(columns.permute(3, 1, 2, 0))  # (Wo, 2 * hidden2, N, Ho)
        pooled = torch.cat([vertical.permute(2, 1, 0, 3), horizontal.permute(2, 1, 3, 0)], 1)
        return F.pad(pooled, (0, 1, 0, 1), "replicate") if self.pad else pooled

    def _whole_windows(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        if channels != self.in_channels:
            raise ValueError(f"the map has {channels} channels, this RnnPool takes {self.in_channels}")
        if min(height, width) < self.patch:
            raise ValueError(f"the map is {width}x{height}, smaller than a window of {self.patch}x{self.patch}")
        used = [(size - self.patch) // self.stride * self.stride + self.patch for size in (height, width)]
        return x[:, :, : used[0], : used[1]]

    def _summaries(self, x: Tensor) -> Tensor:
        """cell1 along T of (T, C, N, K), a summary each window: (windows, hidden1, N, K)."""
        lanes = _project(x.flatten(2), self.cell1)
        return sweep(lanes, self.cell1, self.patch, self.stride).unflatten(2, x.shape[2:])

    def _both_ways(self, summaries: Tensor) -> Tensor:
        """cell2 along T of (T, hidden1, N, K), forwards then backwards: (windows, 2 * hidden2, N, K)."""
        lanes = _project(summaries.flatten(2), self.cell2)
        ways = [sweep(lanes, self.cell2, self.patch, self.stride, reverse) for reverse in (False, True)]
        return torch.cat(ways, 1).unflatten(2, summaries.shape[2:])


def _cell(kind: str, inputs: int, hidden: int, nonlinearity: str) -> FastGrnn | Gated:
    if kind == "fastgrnn":
        return FastGrnn(inputs, hidden, nonlinearity)
    if kind not in CELLS or nonlinearity != "sigmoid_tanh":
        raise ValueError(
            f"no cell {kind!r} with {nonlinearity!r}: fastgrnn with either, {' or '.join(CELLS)} with the first"
        )
    return CELLS[kind](inputs, hidden)


def _project(lanes: Tensor, cell: FastGrnn | Gated) -> Tensor:
    """x W for lanes: (T, input_size, L) to (T, hidden_size, L), where a plain @ would transpose twice."""
    return torch.bmm(cell.W.t().expand(len(lanes), -1, -1), lanes)
