"""`hil trace`: an image as a timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, paragraph, shortest
from hil.commands.options import DEFAULT_BOARD, BoardName, Kernels, Model, NetworkOption, Toolchain
from hil.paths import BUILD


def trace(
    model: Model,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.", show_default=False)],
    board: BoardName = DEFAULT_BOARD,
    timing: Annotated[str, typer.Option(metavar="MODE", help="fast, or full (with flash caches).")] = "fast",
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    least: Annotated[
        int, typer.Option("--shortest", min=0, metavar="CYCLES", help="Leave out calls that take fewer cycles.")
    ] = 200,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    kernels: Kernels = "fast",
    toolchain: Toolchain = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for what it writes; default build/trace/MODEL.", callback=outputs.folder),
    ] = None,
    network: NetworkOption = None,
) -> None:
    """Draw an image's run as a timeline: layers, functions, exceptions, DMA, the link, RAM in use."""
    from hil.bench.batch import Job, firmware_for
    from hil.files import make_folder, write_text
    from hil.firmware.model import model_spec
    from hil.measure.timeline import trace_image
    from hil.reference.photo import load_photo
    from hil.report.timeline import perfetto, speedscope
    from hil.targets.connection import options

    options("sim", None, timing)
    spec = model_spec(model)
    photo = load_photo(image, spec, fit)
    errors.print(f"building {spec.name} for {board} ...", highlight=False)
    firmware = firmware_for(Job(model, (image,), "sim", board, elf=elf, kernels=kernels, toolchain=toolchain))
    timeline = trace_image(firmware, photo, timing, least)
    folder = out or BUILD / "trace" / Path(model).stem
    make_folder(folder)
    write_text(folder / "trace.json", perfetto(timeline))
    write_text(folder / "speedscope.json", speedscope(timeline))
    shown = shortest(folder)
    console.print(
        paragraph(
            f"{shown}/trace.json: open it at ui.perfetto.dev\n"
            f"{shown}/speedscope.json: calls alone, for speedscope.app"
        ),
        soft_wrap=True, highlight=False,
    )  # fmt: skip
