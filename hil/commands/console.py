"""What all commands print with: two consoles, a progress bar, paths as seen from here, exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hil.shown import shown


class PlainConsole(Console):
    """Takes text for text: nothing in it is markup, and what does not print comes as an escape.

    So does a line's end in a str, which is mostly a name of something: what has several lines is a Text.
    """

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text, "\t"), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=shown(segment.text, _LAYOUT))


_LAYOUT = "\n\t"
console = PlainConsole()
errors = PlainConsole(stderr=True)
Step = Callable[[str, float], None]  # what is being done, and how much of it is done (0..1)


@contextmanager
def progress() -> Iterator[Step]:
    """A bar on a terminal, a line a step elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)
        last = ""

        def step(what: str, done: float) -> None:
            nonlocal last
            bar.update(task, description=shown(what), completed=done)
            if what != last and not errors.is_terminal:
                errors.print(f"{what} ...", highlight=False)
            last = what

        yield step


def paragraph(text: str) -> Text:
    """A text of several lines, to be printed as such."""
    return Text(text)


def say(text: str) -> None:
    """A message to the person at the terminal, as it is, beside what the command prints."""
    errors.print(paragraph(text), soft_wrap=True, highlight=False)


def shortest(path: Path) -> Path:
    """The path as seen from here, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def leave(passed: Iterable[bool]) -> None:
    """End with code 1 unless everything passed."""
    if not all(passed):
        raise typer.Exit(1)
