"""`hil seed`: an untrained network that can be built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, progress, shortest
from hil.commands.options import NetworkOption, network_name


def seed(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False, callback=outputs.file)
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="A network's name.", show_default=False)
    ] = None,
    network: NetworkOption = None,
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Sample photos for batch norms and ranges.")] = 8,
) -> None:
    """Make an untrained network that can be built: seeded weights, statistics and ranges of sample photos."""
    from hil.checkpoints.seeding import seed_network

    chosen = network_name(name, network)
    with progress() as step:
        used = seed_network(chosen, seed, count, out, step)
    console.print(f"{shortest(out)}: {chosen}, seed {seed}, {used} photos; next: hil build {shortest(out)}")
