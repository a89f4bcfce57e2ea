"""The results of all shards, brought together in one journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hil.errors import HilError
from hil.evaluation.journal import Journal, read


def take_over(folders: Sequence[Path], journal: Journal, contents: Mapping[str, str]) -> None:
    """Add to a journal what those of its shards in other folders found; nothing without folders.

    contents: a hash of each photo. Raises HilError where no shard is there, one is of something else or of other
    photos, two differ on a photo, or photos are missing.
    """
    if not folders:
        return
    pattern = f"{journal.path.stem}-shard*of*{journal.path.suffix}"
    files = [file for folder in folders for file in sorted(folder.glob(pattern))]
    if not files:
        raise HilError(f"no shard is in {', '.join(map(str, folders))}: its name would be {pattern}")
    for file in files:
        _take(file, journal, contents)
    missing = [name for name in contents if name not in journal.boxes]
    if missing:
        raise HilError(
            f"{len(missing)} of {len(contents)} photos are in no shard, {missing[0]} first: run what is missing"
        )


def _take(file: Path, journal: Journal, contents: Mapping[str, str]) -> None:
    identity, shard = read(file)
    for key, ours in journal.identity.items():
        if identity.get(key) != ours:
            raise HilError(f"{file} has {key} {identity.get(key)}, expected {ours}: it was made of something else")
    for name, boxes in shard.boxes.items():
        if name not in contents:
            continue
        if shard.contents[name] != contents[name]:
            raise HilError(f"{file} is of another photo {name} than the one that is here")
        if name not in journal.boxes:
            journal.add(name, boxes, shard.seconds[name], contents[name])
        elif journal.boxes[name].tobytes() != boxes.tobytes():
            raise HilError(f"{file} has other boxes on {name} than were found elsewhere: one of the two is wrong")
