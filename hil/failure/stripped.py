"""Texts without paths of this computer: a bundle goes to other people."""

from __future__ import annotations

import re
from typing import Any

# an absolute path with at least one folder, of POSIX or Windows; its last part stays
_PATH = re.compile(
    r"""(?<![\w.:/\\])(?:file://)?(?:/|[A-Za-z]:[/\\]|~/|\\\\)(?:[^\s'"()\[\]{},;:<>|/\\]+[/\\]+)+([^\s'"()\[\]{},;:<>|/\\]*)"""
)


def without_paths(text: str) -> str:
    """The text with the last part of each path alone."""
    return _PATH.sub(lambda match: match[1] or "...", text)


def stripped(value: Any) -> Any:
    """JSON's value with every text in it stripped."""
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, dict):
        return {key: stripped(inner) for key, inner in value.items()}
    return [stripped(inner) for inner in value] if isinstance(value, list | tuple) else value


def as_line(text: object) -> str:
    """An error as a recording has it: one line of ASCII, without paths."""
    return without_paths(str(text).replace("\n", " ")).encode("ascii", "replace").decode()
