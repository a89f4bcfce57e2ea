"""`hil debug`: a run on the simulated board, under GDB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zipfile import is_zipfile

import typer

from hil.commands.console import console, errors, paragraph, say
from hil.commands.options import DEFAULT_BOARD, BoardName, Kernels, NetworkOption, Toolchain
from hil.errors import HilError

if TYPE_CHECKING:
    from hil.board import Board
    from hil.targets.base import Target


def debug(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's name, a checkpoint, or a failure's .hil.zip.", show_default=False
        ),
    ],
    image: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="A photo; a bundle has its own.", show_default=False)
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where GDB connects; 0: any port.")] = 3333,
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    kernels: Kernels = "fast",
    toolchain: Toolchain = None,
    network: NetworkOption = None,
) -> None:
    """Run a photo, or a failure again, on the simulated board under GDB: halt it, look into it, run it backwards."""
    from hil.debug import DebugTarget

    def make(chosen: Board) -> DebugTarget:
        return DebugTarget(chosen, say=say, port=port)

    if Path(model).is_file() and is_zipfile(model):
        _bundle(Path(model), make)
        return
    if image is None:
        raise HilError("name a photo to run; only a failure's .hil.zip has its own")
    from hil import board as boards
    from hil.bench.batch import Job, firmware_for
    from hil.bench.session import Bench
    from hil.firmware.model import model_spec
    from hil.reference.photo import load_photo
    from hil.report.terminal import figure

    spec = model_spec(model)
    photo = load_photo(image, spec, fit)
    errors.print(f"building {spec.name} for {board} ...", highlight=False)
    firmware = firmware_for(Job(model, (image,), "sim", board, elf=elf, kernels=kernels, toolchain=toolchain))
    with Bench(firmware, make(boards.load(board))) as bench:
        result = bench.infer(photo.pixels)
    console.print(f"the firmware has answered: {figure(result.total_cycles)} cycles", highlight=False)


def _bundle(file: Path, make: Callable[[Board], Target]) -> None:
    """What failed, again, in the timing model's full mode."""
    from hil.failure.again import run_again
    from hil.failure.bundle import open_bundle

    bundle = open_bundle(file)
    found = run_again(bundle, make=make)
    console.print(paragraph(found.error or "it ran to its end"), markup=False, highlight=False, soft_wrap=True)
    console.print(paragraph(f"then: {bundle.failure.text}"), markup=False, highlight=False, soft_wrap=True)
