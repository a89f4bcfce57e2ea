"""A results folder: the run.json of each run in a file of its own, with where it comes from under "origin".

A file's name tells the network, the target and the image, and is the same for the same test at another commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.files import write_text


def write_result(folder: Path, run: Mapping[str, Any], origin: Mapping[str, Any], test: str | None = None) -> Path:
    """Write one run's file; test: which one ran it, numbered from its second run on. Raises HilError as files do."""
    path = folder / f"{_name(run, test)}.json"
    write_text(path, as_text(with_origin(run, origin, test)))
    return path


def with_origin(run: Mapping[str, Any], origin: Mapping[str, Any], test: str | None = None) -> dict[str, Any]:
    """run.json's object that also says where it comes from, who compiled its firmware, and which test it is of."""
    return {**run, "origin": {**origin, "compiler": run["firmware"].get("compiler"), "test": test}}


def as_text(found: Mapping[str, Any]) -> str:
    """JSON as the files of a results folder have it."""
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def network(run: Mapping[str, Any]) -> str:
    """A model's name, of a checkpoint's path without the folder."""
    return Path(str(run["model"]).replace("\\", "/")).stem


def image(run: Mapping[str, Any]) -> str:
    """What a person calls the image: its file's name, or the beginning of its hash."""
    path = run["image"].get("path")
    return Path(str(path).replace("\\", "/")).name if path else str(run["image"]["sha256"])[:8]


def _name(run: Mapping[str, Any], test: str | None) -> str:
    shown = "-".join((network(run), run["board"], run["target"], image(run)))
    exact = hashlib.sha256(f"{shown} {run['image']['sha256']} {test}".encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', shown)[:120]}-{exact}"
