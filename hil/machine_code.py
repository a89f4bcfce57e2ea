"""numba's compiler for this package's functions: what it makes is kept in the user's cache, not beside the sources.

numba keeps machine code in __pycache__, which an installation may not be able to write, and checks it against the
function's own file only, while the simulated board's hooks are made of functions and constants of several. Here a
folder of the cache belongs to one state of the sources: code of another state is never looked at.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from hil import caches
from hil.errors import HilError
from hil.files import reason

log = logging.getLogger(__name__)

KEPT = 12  # states of the sources; the oldest go
_PACKAGE = Path(__file__).resolve().parent
_SHARED = "timing"  # the room whose functions and constants others' hooks are made of, too


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit(cache=True, ...), but kept here."""

    def compile_when_called(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(**options)(function)
        compiled._cache = _cache_of(function)
        return compiled

    return compile_when_called


def cfunc(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.cfunc(signature, cache=True, ...), but kept here."""

    def compile_now(function: Callable[..., Any]) -> Any:
        compiled: Any = CFunc(function, normalize_signature(signature), locals={}, options=options)
        compiled._cache = _cache_of(function)
        compiled.compile()
        return compiled

    return compile_now


def is_kept(function: Callable[..., Any]) -> bool:
    """Whether there is code of a function; if that is of another machine, it will be compiled here."""
    index = f"*.{function.__name__}-{function.__code__.co_firstlineno}.*.nbi"
    found = _cache_of(function)
    return found.cache_path is not None and any(Path(found.cache_path).glob(index))


class _Locator:
    """Where a function's code lies, as numba asks for it."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file, self._function = file, function

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function, file)

    def get_cache_path(self) -> str:
        return str(_folder(Path(inspect.getfile(self._function)).resolve()))

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        return ""  # the folder is the stamp

    def get_disambiguator(self) -> str:
        return str(self._function.__code__.co_firstlineno)


class _Implementation(CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _Cache(FunctionCache):
    """numba's, but one that cannot be read or written costs time and nothing else."""

    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever unpickling a damaged file raises
            log.debug("cannot use the machine code kept of %s: %s", self._name, error)
            with suppress(OSError):
                self.flush()  # or saving would find the same
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            log.debug("cannot keep the machine code of %s: %s", self._name, reason(error))


def _cache_of(function: Callable[..., Any]) -> Any:
    try:
        return _Cache(function)
    except (HilError, OSError) as error:
        log.debug("no machine code is kept: %s", error)
        return NullCache()


@cache
def _folder(file: Path) -> Path:
    """The cache's folder for the functions of a source file, by the state of what they are made of."""
    is_ours = file.is_relative_to(_PACKAGE)
    room = file.relative_to(_PACKAGE).parts[0] if is_ours else "others"
    states = caches.folder("machine-code", room)
    state = states / (_state(room) if is_ours else hashlib.sha256(bytes(file) + file.read_bytes()).hexdigest()[:20])
    if not state.is_dir():
        state.mkdir(exist_ok=True)
        caches.forget_oldest(states, KEPT)
    return state


@cache
def _state(room: str) -> str:
    """A digest of the sources of a room, and of the one that all hooks are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    for name in dict.fromkeys((room, _SHARED)):
        for path in sorted((_PACKAGE / name).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]
