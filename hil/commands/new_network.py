"""`hil new-network`: an example to start a network of one's own from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import console, paragraph, shortest
from hil.errors import HilError

FILES = ("network.py", "train.py")


def new_network(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write it.", show_default=False)],
) -> None:
    """Write a commented network and a script that trains it: network.py, train.py."""
    from hil.files import make_folder

    make_folder(folder)
    if there := [name for name in FILES if (folder / name).exists()]:
        raise HilError(f"{folder} has {' and '.join(there)} already: name another folder")
    for name in FILES:
        text = resources.files("hil.training").joinpath("example", name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    place = shortest(folder)
    console.print(
        paragraph(
            f"{place}: {', '.join(FILES)}; next:\n"
            f"  python {place}/train.py --minutes 1\n"
            f"  hil quantise {place}/shapes.safetensors --images {place}/photos --out {place}/ready.safetensors\n"
            f"  hil run {place}/ready.safetensors {place}/photos/*.png --target sim"
        ),
        soft_wrap=True, highlight=False,
    )  # fmt: skip
