"""A history's store: a plain folder with a folder a commit, each with the results of that commit.

STORE/COMMIT/NAME.json (and index.json, which can be made anew of them: what the page needs of each commit)
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from hil.bench.read_back import Numbers
from hil.errors import HilError
from hil.files import make_folder, reason, write_text
from hil.gate.documents import Document, load
from hil.reading import json_of, read_text, typed

INDEX, SCHEMA = "index.json", 1
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Commit:
    """What was found at one commit. committed: its date, ISO 8601; figures: by series ("M4 board sim", name)."""

    commit: str
    committed: str
    branch: str
    figures: Mapping[str, Mapping[str, float]]
    units: Mapping[str, str]


class Entry(Struct):
    """What the index has of a commit. files: their sizes."""

    committed: str
    branch: str
    figures: dict[str, Numbers]
    units: dict[str, str]
    files: dict[str, int]


def add(store: Path, results: Path, is_dirty_taken: bool = False) -> str:
    """Take the results of one commit into the store, in place of those it has of that commit. Returns the commit.

    Raises HilError where the results are of no commit, of several, or of a tree with changes.
    """
    documents = load(results)
    commits = {str(document.origin.get("commit") or "") for document in documents if document.kind == "run"}
    if len(commits) != 1 or not _COMMIT.fullmatch(next(iter(commits))):
        said = ", ".join(sorted(commit[:10] or "none" for commit in commits)) or "none"
        raise HilError(f"{results} is of {said} commit: a store takes the results of one, made in its checkout")
    if any(document.origin.get("dirty") for document in documents) and not is_dirty_taken:
        raise HilError(f"{results} is of a tree with changes: commit them, or pass --dirty")
    (commit,) = commits
    folder = store / commit
    make_folder(folder)
    for old in folder.glob("*.json"):
        old.unlink()
    for number, path in enumerate(dict.fromkeys(document.path for document in documents)):
        try:
            shutil.copyfile(
                path, folder / (path.name if not (folder / path.name).exists() else f"{number}-{path.name}")
            )
        except OSError as error:
            raise HilError(f"cannot write the store {store}: {reason(error)}") from error
    _write_index(store, {**_index(store), commit: _entry(load(folder), commit)})
    return commit


def read(store: Path) -> tuple[list[Commit], list[str]]:
    """Every commit, the oldest first, and what is damaged, in words; a damaged file costs its commit alone.

    What the index lacks or has of files that are no longer as they were is read anew. Raises HilError for no store.
    """
    if not store.is_dir():
        raise HilError(f"{store} is no store: hil history STORE --add RESULTS makes one")
    index, damaged, found = _index(store), [], {}
    for folder in sorted(path for path in store.iterdir() if path.is_dir() and _COMMIT.fullmatch(path.name)):
        known = index.get(folder.name)
        if known is None or known.get("files") != _files(folder):
            try:
                known = _entry(load(folder), folder.name)
            except HilError as error:
                damaged.append(str(error))
                continue
        found[folder.name] = known
    if found != index:
        _write_index(store, found)
    commits = [_commit(name, entry) for name, entry in found.items()]
    return sorted(commits, key=lambda commit: (_moment(commit.committed), commit.commit)), damaged


def _files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.json"))}


def _entry(documents: Sequence[Document], commit: str) -> dict[str, Any]:
    """What the index has of a commit: the figures of each series, equal tests' once."""
    origin: Mapping[str, Any] = next((one.origin for one in documents if one.origin.get("commit")), {})
    figures: dict[str, dict[str, float]] = {}
    units: dict[str, str] = {}
    for document in documents:
        series = figures.setdefault(series_of(document), {})
        for name, value, unit in kept(document):
            series.setdefault(name, value)
            units[name] = unit
    return {
        "committed": origin.get("committed") or "", "branch": origin.get("branch") or "", "figures": figures,
        "units": units, "files": _files(documents[0].path.parent),
    }  # fmt: skip


def series_of(document: Document) -> str:
    """A line's name: the network and the target; evaluations name no target."""
    facts = document.identity
    return " ".join(filter(None, (facts["network"], facts["board"], facts.get("target", ""))))


def kept(document: Document) -> Iterator[tuple[str, float, str]]:
    """The figures of a document that a history compares: all but those of single functions."""
    for figure in document.figures:
        if figure.value is not None and not figure.name.startswith("flash.function."):
            yield figure.name, figure.value, figure.unit


def _index(store: Path) -> dict[str, Any]:
    """The index; empty where there is none that can be used: it is made anew of the results."""
    entries: dict[str, Any] = {}
    with suppress(HilError):
        content = json_of(read_text(store / INDEX), INDEX)
        commits = content.get("commits") if isinstance(content, dict) and content.get("schema") == SCHEMA else {}
        given: dict[str, Any] = typed(commits, dict[str, Any], INDEX)
        for name, entry in given.items():
            with suppress(HilError):
                typed(entry, Entry, INDEX)
                entries[name] = entry
    return entries


def _write_index(store: Path, commits: Mapping[str, Any]) -> None:
    write_text(store / INDEX, json.dumps({"schema": SCHEMA, "commits": commits}) + "\n")


def _moment(committed: str) -> float:
    """Seconds since 1970 of a date as git writes it, in any time zone; 0 for none."""
    try:
        return datetime.fromisoformat(committed).timestamp()
    except ValueError:
        return 0.0


def _commit(name: str, entry: Mapping[str, Any]) -> Commit:
    return Commit(name, entry["committed"], entry["branch"], entry["figures"], entry["units"])
