"""`hil show`: a failure's bundle as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, paragraph, shortest


def show(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A failure's .hil.zip.", show_default=False)],
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the page here and open no browser.", callback=outputs.file),
    ] = None,
    extract: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Extract its files here, for GDB and other tools.", callback=outputs.folder),
    ] = None,
) -> None:
    """Show everything about a failure: what failed, the image, registers, the last blocks with their source lines."""
    from hil.failure.bundle import SUFFIX, open_bundle
    from hil.files import make_folder, write_bytes
    from hil.paths import BUILD
    from hil.report.bundle_html import write_bundle_page

    opened = open_bundle(bundle)
    if extract is not None:
        make_folder(extract)
        for name, content in opened.members.items():
            write_bytes(extract / name, content)
        console.print(f"{shortest(extract)} has its files", highlight=False, soft_wrap=True)
    path = html or BUILD / "show" / f"{bundle.name.removesuffix(SUFFIX)}.html"
    write_bundle_page(opened, path)
    console.print(paragraph(opened.failure.text), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{shortest(path)} shows it", highlight=False, soft_wrap=True)
    if html is None and console.is_terminal:
        typer.launch(str(path))
