"""`hil train`: weights for a network, from photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, shortest
from hil.commands.options import NetworkOption, network_name
from hil.paths import BUILD


def train(
    data: Annotated[
        list[Path],
        typer.Option("--data", "-d", metavar="DIR", help="The data set; repeatable for faces.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for checkpoints, log, plot.",
            show_default="build/training",
            callback=outputs.folder,
        ),
    ] = BUILD / "training",
    name: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="A network's name.", show_default=False)
    ] = None,
    network: NetworkOption = None,
    images: Annotated[int | None, typer.Option(min=1, help="Number of images to train on.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Shorten the schedule to at most this many minutes.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue where the last call stopped.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded photos.")] = None,
    start: Annotated[Path | None, typer.Option(metavar="CHECKPOINT", help="Start from these weights.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", help="Learn from this network's outputs, too.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML; default: the network's own.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto (bfloat16 on a GPU), float32 or bfloat16.")] = "auto",
    quantise_aware: Annotated[
        bool, typer.Option("--quantise-aware", help="Fine-tune --start with the firmware's rounding.")
    ] = False,
) -> None:
    """Train a face detector on WIDER FACE, a classifier on folders of photos (DIR/CLASS/*.jpg) or Visual Wake Words.

    Visual Wake Words are DIR/annotations and DIR/all2014.
    """
    from hil.training.command import train_command

    checkpoint = train_command(
        network_name(name, network),
        data, out, images, minutes, threads, seed, resume, cache, start, recipe, device, precision,
        is_quantised=quantise_aware, teacher=teacher,
    )  # fmt: skip
    found = shortest(checkpoint)
    following = f"hil run {found} PHOTO --fit" if quantise_aware else f"hil quantise {found} --images DIR --out FILE"
    console.print(f"{found}; next: {following}", soft_wrap=True)
