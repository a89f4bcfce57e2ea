"""`hil seed`: an untrained network that can be built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, progress, shortest


def seed(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="A network's name.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The checkpoint to write.", show_default=False, callback=outputs.file)
    ],
    seed: int = 0,
    count: Annotated[int, typer.Option(min=1, help="Sample photos for batch norms and ranges.")] = 8,
) -> None:
    """Make an untrained network that can be built: seeded weights, statistics and ranges of sample photos."""
    from hil.checkpoints.seeding import seed_network

    with progress() as step:
        used = seed_network(network, seed, count, out, step)
    console.print(f"{shortest(out)}: {network}, seed {seed}, {used} photos; next: hil build {shortest(out)}")
