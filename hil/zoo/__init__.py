"""The trained checkpoints that ship with the bench, each with its model card beside it."""

from pathlib import Path

from hil.errors import HilError

SUFFIX = ".safetensors"


def names() -> list[str]:
    """The names of the shipped checkpoints."""
    return sorted(path.stem for path in Path(__file__).parent.glob(f"*{SUFFIX}"))


def find(name_or_path: str | Path) -> Path:
    """The checkpoint file of a shipped model's name or of a path. Raises HilError, listing the names, for neither."""
    shipped = Path(__file__).parent / f"{name_or_path}{SUFFIX}"
    if str(name_or_path) in names():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = ", ".join(names()) or "none yet"
    raise HilError(f"unknown model {str(name_or_path)!r}: name a shipped model ({known}) or the path of a checkpoint")
