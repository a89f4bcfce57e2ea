"""`hil compare`: results of two commits against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors
from hil.files import is_standard_output


def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="A file or folder of results.", show_default=False)],
    head: Annotated[Path, typer.Argument(metavar="HEAD", help="The same of the newer commit.", show_default=False)],
    tolerance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML: how far a figure may move (docs/gate.md).")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a pull request's comment here.", callback=outputs.file),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page here.", callback=outputs.file)] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Title of the comment.")] = "Firmware",
) -> None:
    """Compare run.json, bench.json, profile.json, evaluations or folders; exit code 1 past a tolerance."""
    from hil.files import write_text
    from hil.gate.difference import compare
    from hil.gate.documents import load
    from hil.gate.tolerance import load_tolerances
    from hil.report.comparison import as_markdown, in_terminal, write_page

    tolerances = load_tolerances(tolerance)
    found = compare(load(base), load(head), tolerances)
    if markdown is not None:
        write_text(markdown, as_markdown(found, title))
    if html is not None:
        write_page(found, html)
    is_taken = is_standard_output(markdown) or is_standard_output(html)
    (errors if is_taken else console).print(in_terminal(found), highlight=False)
    if not found.passed:
        raise typer.Exit(1)
