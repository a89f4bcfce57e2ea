"""Where networks are found: by the bench's own names, in a file, or among those of installed packages.

A reference is FILE.py:FUNCTION, or the name of an entry point in the group `hil.networks`. A checkpoint remembers the
one that its network came from. HIL_NETWORK (`--network`) says where it is to be looked for instead, in this process
and in those that it starts.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from hil.errors import HilError

VARIABLE, GROUP = "HIL_NETWORK", "hil.networks"


def insist(reference: str) -> None:
    """From now on networks that the bench does not have itself come from a reference."""
    os.environ[VARIABLE] = reference


def insisted() -> str | None:
    """The reference that HIL_NETWORK holds."""
    return os.environ.get(VARIABLE) or None


def is_reference(name: str) -> bool:
    """Whether a network's name says where to find it: in a file, or as an installed package's entry point."""
    return is_file_reference(name) or any(point.name == name for point in _entry_points())


def is_file_reference(name: str) -> bool:
    """Whether a name is FILE.py:FUNCTION."""
    return ".py:" in name


def make(reference: str, folders: Sequence[Path] = (Path(),)) -> Any:
    """Call what a reference names. folders: in which a file may be, the first that has it is taken.

    The result remembers the reference as `made_by`. Raises HilError where there is no such file, function or entry
    point, where its code fails, and where it returns no network.
    """
    maker = _of_file(reference, folders) if is_file_reference(reference) else _of_package(reference)
    try:
        network = maker()
    except HilError:
        raise
    except Exception as error:  # the user's code
        raise HilError(f"{reference} fails{_place(error)}: {type(error).__name__}: {error}") from error
    spec = getattr(network, "spec", None)
    if not all(hasattr(spec, name) for name in ("name", "input_shape", "input_mean", "input_scale")):
        raise HilError(
            f"{reference} returns a {type(network).__name__}, expected what hil.reference.own.classifier, detector or "
            "tensors makes of a module"
        )
    network.made_by = _remembered(reference)
    return network


def _remembered(reference: str) -> str:
    """A reference as a checkpoint keeps it: a file by its name alone, to be found beside the checkpoint."""
    if not is_file_reference(reference):
        return reference
    path, function = reference.rsplit(":", 1)
    return f"{Path(path).name}:{function}"


def file_of(reference: str, folders: Iterable[Path]) -> Path | None:
    """The file of a FILE.py:FUNCTION, in the first folder that has it."""
    name, _ = reference.rsplit(":", 1)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _of_file(reference: str, folders: Sequence[Path]) -> Callable[[], Any]:
    name, function = reference.rsplit(":", 1)
    candidates = [folder / name for folder in folders]
    path = file_of(reference, folders)
    if path is None:
        looked = " or ".join(dict.fromkeys(str(path) for path in candidates))
        raise HilError(f"there is no {looked}: pass --network FILE.py:FUNCTION with the file that makes the network")
    module = _loaded(path.resolve())
    maker = getattr(module, function, None)
    if not callable(maker):
        known = [key for key, value in vars(module).items() if callable(value) and value.__module__ == module.__name__]
        raise HilError(f"{path} has no function {function!r}: it has {', '.join(known) or 'none'}")
    return cast(Callable[[], Any], maker)


def _loaded(path: Path) -> Any:
    """A file as a module, of its source as it is now: compiled code beside it may be of a text as old and as long.

    Files beside it can be imported by it.
    """
    name = f"hil_network_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except Exception as error:  # the user's code
        raise HilError(f"{path} cannot be loaded{_place(error)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _of_package(name: str) -> Callable[[], Any]:
    point = next((point for point in _entry_points() if point.name == name), None)
    if point is None:
        known = ", ".join(sorted(point.name for point in _entry_points())) or "none"
        raise HilError(
            f"no installed package has a network {name!r} (group {GROUP}: {known}); a file is FILE.py:FUNCTION"
        )
    try:
        return cast(Callable[[], Any], point.load())
    except Exception as error:  # the package's code
        raise HilError(
            f"the network {name} of {point.value} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _entry_points() -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=GROUP)


def _place(error: BaseException) -> str:
    """The last line of the user's that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if not any(f"/{name}/" in frame.filename for name in ("torch", "hil", "importlib"))
    ]
    own = [frame for frame in own if not frame.filename.startswith("<")]
    return f" at {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
