"""Measurements and what they may be: named, with a unit, and with a limit that is declared in one place.

Limits are tables in TOML, a section a model ("default" for all), a measurement's name and its largest value a line.
platforms/<board>/limits.toml holds a board's; a file given by the user is laid over it:

    [rnnpool_face_m4]
    "cycles.total" = 130_000_000

A build with other kernels than the fast ones also has the limits of "MODEL/KERNELS", which come last. Cycles and flash
are a compiler's: "MODEL@gcc" or "MODEL@gcc-13" (with "/KERNELS" before the @) holds for what that compiler makes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from hil.board import Board
from hil.errors import HilError
from hil.firmware.toolchain import Compiler

Limits = dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """One number that a run found. `limit`: the largest value that passes; value None: the target can't know it."""

    name: str
    value: float | None
    unit: str
    limit: float | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the value keeps its limit; None if the value is unknown (an unknown value fails nothing)."""
        if self.value is None:
            return None
        return self.limit is None or self.value <= self.limit


def load_limits(
    board: Board,
    model: str,
    override: Path | None = None,
    kernels: str = "fast",
    compiler: Compiler | None = None,
) -> Limits:
    """The limits of a model on a board, by measurement name; compiler: whose figures hold, no one's where it is None.

    Raises HilError where a file is no table of numbers.
    """
    names = compiler.names if compiler else ()
    sections = ("default", *(section for name in (model, f"{model}/{kernels}") for section in _with(name, names)))
    limits = _read(board.folder / "limits.toml", sections) if (board.folder / "limits.toml").exists() else {}
    if override is not None:
        limits |= _read(override, sections)
    return limits


def _with(section: str, compilers: tuple[str, ...]) -> tuple[str, ...]:
    return section, *(f"{section}@{name}" for name in compilers)


def _read(path: Path, sections: tuple[str, ...]) -> Limits:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HilError(f"cannot read the limits {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HilError(f'{path} is not TOML ({error}): write [{sections[1]}], then "cycles.total" = 1e8') from error
    limits: Limits = {}
    for section in sections:
        for name, limit in table.get(section, {}).items():
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                raise HilError(f"{path}, [{section}] {name}: the limit is {limit!r}, expected a number")
            limits[name] = limit
    return limits


def apply_limits(measurements: list[Measurement], limits: Limits) -> tuple[Measurement, ...]:
    """The measurements, declared limits in place of their own. Raises HilError for a limit of no measurement."""
    unknown = sorted(limits.keys() - {m.name for m in measurements})
    if unknown:
        known = ", ".join(m.name for m in measurements)
        raise HilError(f"no measurement is called {', '.join(map(repr, unknown))}: limits can be set for {known}")
    return tuple(Measurement(m.name, m.value, m.unit, limits.get(m.name, m.limit)) for m in measurements)
