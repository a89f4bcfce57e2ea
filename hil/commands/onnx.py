"""`hil import onnx`: an ONNX file, or an exported program, made a checkpoint of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, progress, shortest
from hil.errors import HilError


def onnx(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The .onnx file, or the .pt2 file of torch.export.save.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="The network's name; default: the file's.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="A classifier's classes, separated by commas; default: plain tensors.")
    ] = None,
    mean: Annotated[str, typer.Option(help="Subtracted from levels of 0 to 255; one, or one a channel.")] = "127.5",
    scale: Annotated[
        str, typer.Option(help="Factor after the subtraction; one, or one a channel.")
    ] = "0.00784313725490196",
    mapping: Annotated[Path | None, typer.Option("--map", help="TOML that names RNNPools (docs/networks.md).")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder with a few hundred typical photos, for ranges.")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many of them, spread over the folder.")] = 256,
) -> None:
    """Import an ONNX file or a torch.export program, check it against onnxruntime, and calibrate its ranges.

    An exported program (.pt2) can run code when PyTorch reads it: import only one that you trust.
    """
    from hil.checkpoints.onnx_import import Told, import_onnx, import_program

    told = Told(
        name or file.stem, tuple(filter(None, (classes or "").split(","))), _numbers(mean, "--mean"),
        _numbers(scale, "--scale"), mapping,
    )  # fmt: skip
    with progress() as step:
        read = import_program if file.suffix == ".pt2" else import_onnx
        used, distance = read(file, told, out, images, count, step)
    whose = "photos" if images else "sample photos (better: hil quantise with photos of your own)"
    console.print(
        f"{shortest(out)}: {told.name}, within {distance:.1g} of onnxruntime, ranges from {used} {whose}; "
        f"next: hil build {shortest(out)}",
        soft_wrap=True,
    )


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise HilError(f"{option} is {text!r}, expected a number, or one a channel with commas between") from None
