"""Where boards are found: a folder's path, the folders of HIL_BOARDS, installed packages, those that are shipped."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from hil.board.describe import Board, load_folder
from hil.errors import HilError
from hil.paths import platforms

VARIABLE = "HIL_BOARDS"  # folders that hold folders of boards, separated as PATH is
GROUP = "hil.boards"  # of entry points: each names a module or an object whose __path__ or value is such a folder
FILE = "board.toml"


def names() -> list[str]:
    """The boards that go by a name, sorted."""
    return sorted({path.parent.name for folder in _folders() for path in folder.glob(f"*/{FILE}")})


def load(name: str) -> Board:
    """A board by its name, or by its folder's path. Raises HilError, with the known names, where there is none."""
    return _load(find(name))


def find(name: str) -> Path:
    """The folder of a board. Raises HilError, with the known names, where there is none."""
    path = Path(name)
    if path.name == FILE:
        path = path.parent
    if len(path.parts) > 1 or path.is_absolute() or (path / FILE).is_file():
        if not (path / FILE).is_file():
            raise HilError(f"{path} is no board's folder: it has no {FILE}; hil new-board makes one")
        return path.resolve()
    for folder in _folders():
        if (folder / name / FILE).is_file():
            return folder / name
    raise HilError(f"no board is called {name!r}: choose one of {', '.join(names())}, or name its folder")


def _folders() -> list[Path]:
    given = [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    return [*given, *_installed(), platforms()]


@cache
def _installed() -> tuple[Path, ...]:
    found = []
    for point in entry_points(group=GROUP):
        target = point.load()
        found.append(Path(getattr(target, "__path__", [target])[0]))
    return tuple(found)


@cache
def _load(folder: Path) -> Board:
    board = load_folder(folder)
    if board.name != folder.name:
        raise HilError(f"{folder / FILE}: name {board.name!r} is not the folder's, {folder.name!r}: make them the same")
    return board
