"""What all commands print with: two consoles, a progress bar, paths as seen from here, exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

console = Console()
errors = Console(stderr=True)
Step = Callable[[str, float], None]  # what is being done, and how much of it is done (0..1)


@contextmanager
def progress() -> Iterator[Step]:
    """A bar on a terminal, a line a step elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)
        shown = ""

        def step(what: str, done: float) -> None:
            nonlocal shown
            bar.update(task, description=what, completed=done)
            if what != shown and not errors.is_terminal:
                errors.print(f"{what} ...", highlight=False)
            shown = what

        yield step


def shortest(path: Path) -> Path:
    """The path as seen from here, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def leave(passed: Iterable[bool]) -> None:
    """End with code 1 unless everything passed."""
    if not all(passed):
        raise typer.Exit(1)
