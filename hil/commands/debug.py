"""`hil debug`: a run on the simulated board, under GDB."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, errors
from hil.commands.options import DEFAULT_BOARD, BoardName, Kernels, Model, NetworkOption, Toolchain


def debug(
    model: Model,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.", show_default=False)],
    board: BoardName = DEFAULT_BOARD,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where GDB connects; 0: any port.")] = 3333,
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    kernels: Kernels = "fast",
    toolchain: Toolchain = None,
    network: NetworkOption = None,
) -> None:
    """Run a photo on the simulated board under GDB: halt it, look into it, run it backwards."""
    from hil import board as boards
    from hil.bench.batch import Job, firmware_for
    from hil.bench.session import Bench
    from hil.debug import DebugTarget
    from hil.firmware.model import model_spec
    from hil.reference.photo import load_photo
    from hil.report.terminal import figure

    spec = model_spec(model)
    photo = load_photo(image, spec, fit)
    errors.print(f"building {spec.name} for {board} ...", highlight=False)
    firmware = firmware_for(Job(model, (image,), "sim", board, elf=elf, kernels=kernels, toolchain=toolchain))
    chosen = boards.load(board)
    target = DebugTarget(chosen, say=_say, port=port)
    with Bench(firmware, target) as bench:
        result = bench.infer(photo.pixels)
    console.print(f"the firmware has answered: {figure(result.total_cycles)} cycles", highlight=False)


def _say(text: str) -> None:
    errors.print(text, soft_wrap=True, highlight=False, markup=False)
