"""MATLAB's files, read in a process of its own: scipy's reader crashes on damaged ones, and takes its process with it.

What the other process prints is JSON, so that a file which took it over cannot hand an object to this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.shown import shown

_PATIENCE_S = 300


def load_cells(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The variables of each file: a cell array as a list of its cells, column after column; a matrix as rows.

    Raises HilError for a file that is missing or cannot be read.
    """
    for path in paths:
        if not path.is_file():
            raise HilError(f"no ground truth at {path}: it comes with WIDER FACE's evaluation tools")
    command = [sys.executable, "-X", "faulthandler=0", "-m", __name__, *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise HilError(f"{paths[0].parent}: reading took more than {_PATIENCE_S} s: copy the files again") from None
    lines = done.stdout.splitlines()
    found = [json.loads(line) for line in lines if line.startswith(b"{")]
    if done.returncode == 0 and len(found) == len(paths):
        return found
    reason = "the reader crashed" if done.returncode < 0 else shown(_last(done.stderr))
    raise HilError(f"{paths[len(found)]} is not a MATLAB file that can be read ({reason}): copy it again")


def _last(said: bytes) -> str:
    return (said.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]


def _plain(value: Any) -> Any:
    if value.dtype == object:
        return [_plain(cell) for cell in value.ravel(order="F")]
    return value.tolist()


def _main(paths: Sequence[str]) -> None:
    import numpy as np
    import scipy.io

    for path in paths:
        content = scipy.io.loadmat(path)
        cells = {name: _plain(np.asarray(value)) for name, value in content.items() if not name.startswith("__")}
        print(json.dumps(cells), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
