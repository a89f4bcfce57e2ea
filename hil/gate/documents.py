"""What `hil compare` takes: run.json, bench.json, profile.json, an evaluation, or a folder with any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from hil.bench import read_back
from hil.errors import HilError
from hil.gate import figures, layouts
from hil.gate.figures import Figure
from hil.gate.results import image, network
from hil.reading import json_of, read_text, typed
from hil.shown import shown

SCHEMA = 1  # of all that is read here
_Figures = Callable[[Mapping[str, Any]], list[Figure]]
# what a file is, by keys that it alone has: its kind, what its figures are, and what must be in it
_KINDS: tuple[tuple[str, frozenset[str], _Figures, type[Struct]], ...] = (
    ("run", frozenset({"measurements", "cycles", "ram", "firmware", "image"}), figures.of_run, read_back.Run),
    ("bench", frozenset({"total_cycles", "layers", "portable_total_cycles"}), figures.of_bench, layouts.Bench),
    ("profile", frozenset({"functions", "rules", "layers", "cycles"}), figures.of_profile, layouts.Profile),
    ("evaluation", frozenset({"ways"}), figures.of_evaluation, layouts.Evaluation),
)


@dataclass(frozen=True)
class Document:
    """One file's content. figures: the flat table of it; content: the object as it stands there."""

    path: Path
    kind: str
    figures: tuple[Figure, ...]
    content: Mapping[str, Any]

    @property
    def identity(self) -> dict[str, str]:
        """What must be the same for two to be compared; "" where the kind has no such thing."""
        said = self.content
        facts = {"kind": self.kind, "network": network(said), "board": str(said.get("board") or "")}
        if self.kind == "run":
            facts |= {"target": said["target"], "image": image(said), "test": str(self.origin.get("test") or "")}
            facts["counter"] = str(said["cycles"]["source"])
        if self.kind == "profile":
            facts["mode"] = str(said.get("mode"))
        if self.kind == "evaluation":
            photos = sorted({str(way["photos"]) for way in said["ways"].values()})
            facts |= {"data": str(said.get("data") or ""), "photos": ", ".join(photos)}
            facts["multi_scale"] = str(bool(said.get("multi_scale")))
        return facts

    @property
    def name(self) -> str:
        """What a person calls it."""
        facts = self.identity
        shown = [facts[key] for key in ("network", "board", "target", "image", "test") if facts.get(key)]
        return " ".join([*shown, *([] if self.kind == "run" else [f"({self.kind})"])])

    @property
    def origin(self) -> Mapping[str, Any]:
        """Where it comes from, as far as it says."""
        return self.content.get("origin") or {}


def load(path: Path) -> list[Document]:
    """Every document of a file, or of a folder and those in it, in order of their names.

    Raises HilError for a file that is none, is damaged or has another schema; in a folder JSON files of other kinds are
    passed over, and one without any document is an error.
    """
    if not path.is_dir():
        found = list(_read(path))
        if not found:
            raise HilError(f"{path} is neither run.json, bench.json, profile.json nor an evaluation: give one of them")
        return found
    found = [document for file in sorted(path.rglob("*.json")) for document in _read(file)]
    if not found:
        raise HilError(f"{path} holds no results: write some with pytest --hil-results {path}")
    return found


def _read(path: Path) -> Iterator[Document]:
    content = json_of(read_text(path), f"{path} is damaged: it")
    for entry in content if isinstance(content, list) else [content]:
        if isinstance(entry, dict) and (document := _document(path, entry)):
            yield document


def _document(path: Path, content: dict[str, Any]) -> Document | None:
    """None for JSON of another kind."""
    kind, _, of_kind, layout = next((row for row in _KINDS if row[1] <= content.keys()), ("", frozenset(), None, None))
    if of_kind is None:
        return None
    if content.get("schema", SCHEMA) != SCHEMA:
        raise HilError(
            f"{path} has schema {shown(content['schema'])}, this hil reads {SCHEMA}: compare with the hil that wrote it"
        )
    typed(content, layout, f"{path} is damaged: as {kind}.json it")
    return Document(path, kind, tuple(of_kind(content)), content)
