"""How much a figure may grow from one commit to the next: a TOML file, the first pattern that fits a name holds.

    [tolerance]
    "cycles.layer.*" = { relative = 0.05 }         # by 5 %
    "cycles.*" = { relative = 0.01, absolute = 2000 }   # by 1 % or by 2000, whichever is more
    "flash.*" = { absolute = 256 }
    "ram.total_bytes" = "may only fall"
    "host.*" = "any"

    [falls]                                        # figures of which less is worse
    "ap.*" = { absolute = 0.002 }

What no pattern fits keeps the defaults below. A figure that may fall may fall as far as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.reading import read_text, toml_of

ANY, ONLY_FALL, ONLY_RISE = "any", "may only fall", "may only rise"
_KEYS = {"relative", "absolute"}


@dataclass(frozen=True)
class Tolerance:
    """How far a figure may move to the worse side; is_judged False: as far as it likes. rising_is_worse: which side."""

    relative: float = 0.0
    absolute: float = 0.0
    rising_is_worse: bool = True
    is_judged: bool = True

    def worsening(self, base: float, head: float) -> float:
        """By how much the figure moved to the worse side; negative: to the better one."""
        return head - base if self.rising_is_worse else base - head

    def allows(self, base: float, head: float) -> bool:
        """Whether the move is within the tolerance."""
        slack = max(self.absolute, self.relative * abs(base))
        return not self.is_judged or self.worsening(base, head) <= slack + 1e-12 * abs(base)


Tolerances = tuple[tuple[str, Tolerance], ...]

EXACT, FREE = Tolerance(), Tolerance(is_judged=False)
_LAYER = Tolerance(relative=0.02, absolute=200_000)  # other weights move the heads' cycles; the total has its own
DEFAULTS: Tolerances = (
    ("host.*", FREE), ("photos.*", FREE), ("link.*", FREE), ("cycles.portable", FREE), ("prediction.*", FREE),
    ("cycles.off_prediction", FREE), ("outputs.*", Tolerance(relative=0.1)), ("boxes.*distance_to_float", FREE),
    ("layers.distance_to_float", Tolerance(absolute=0.5)),
    ("layers.cut_off", Tolerance(absolute=0.005)),
    ("*.signal_to_noise", Tolerance(absolute=0.5, rising_is_worse=False)),
    ("ap.*", Tolerance(absolute=0.002, rising_is_worse=False)),
    ("accuracy.*", Tolerance(absolute=0.002, rising_is_worse=False)),
    ("cycles.layer.*", _LAYER), ("instructions.layer.*", _LAYER),
    ("cycles.decode", Tolerance(relative=0.05)), ("cycles.schedule", Tolerance(relative=0.05)),
    ("cycles.*", Tolerance(relative=0.01)), ("instructions.*", Tolerance(relative=0.01)),
    ("flash.section.*", Tolerance(absolute=256)), ("flash.function.*", FREE), ("flash.layer.*", FREE),
    ("firmware.flash_bytes", Tolerance(absolute=256)), ("flash.*", Tolerance(absolute=256)),
)  # fmt: skip


def tolerance_of(name: str, tolerances: Tolerances) -> Tolerance:
    """What the first fitting pattern says; exact equality or better where none does (RAM, differences)."""
    return next((tolerance for pattern, tolerance in tolerances if fnmatchcase(name, pattern)), EXACT)


def load_tolerances(path: Path | None) -> Tolerances:
    """The file's patterns, then the defaults. Raises HilError where it is no such file, with what is wrong in it."""
    if path is None:
        return DEFAULTS
    text = read_text(path, kind="tolerances")
    try:
        table = toml_of(text, str(path))
    except HilError as error:
        raise HilError(f'{error}: write [tolerance], then "cycles.*" = {{ relative = 0.01 }}') from error
    if unknown := sorted(table.keys() - {"tolerance", "falls"}):
        raise HilError(f"{path}: there is no section {unknown[0]!r}: write [tolerance] or [falls]")
    return (*_section(table, "tolerance", True, path), *_section(table, "falls", False, path), *DEFAULTS)


def _section(table: Mapping[str, Any], name: str, rising_is_worse: bool, path: Path) -> Tolerances:
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise HilError(f"{path}: {name} is {section!r}, expected a table: write [{name}]")
    return tuple((key, _tolerance(said, rising_is_worse, f"{path}, [{name}] {key}")) for key, said in section.items())


def _tolerance(said: Any, rising_is_worse: bool, where: str) -> Tolerance:
    if said == ANY:
        return FREE
    if said in (ONLY_FALL, ONLY_RISE):
        return Tolerance(rising_is_worse=said == ONLY_FALL)
    if not isinstance(said, dict) or not said or said.keys() - _KEYS:
        raise HilError(
            f"{where} is {said!r}, expected {{ relative = 0.01, absolute = 100 }}, "
            f"{ANY!r}, {ONLY_FALL!r} or {ONLY_RISE!r}"
        )
    for value in said.values():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise HilError(f"{where} is {said!r}: a tolerance is a number of 0 or more")
    return Tolerance(said.get("relative", 0.0), said.get("absolute", 0.0), rising_is_worse)
