"""Measurements and their limits: each has a name and a unit, and its limit is declared in one place.

Limits are tables in TOML, a section a model ("default" for all), a measurement's name and its largest value a line,
or its smallest: `{ at_least = 20 }`.
platforms/limits.toml holds every board's; the board's own limits.toml and a file given by the user are laid over it:

    [rnnpool_face_m4]
    "cycles.total" = 130_000_000
    "ram.stack_used" = { limit = 2048, required = true }

A section of a model that does not exist is an error: it would switch its limits off in silence. Networks of one's own
other than the one that runs are named once: `models = ["my_network", "my_other"]`, above the sections.

A later section or file replaces what it says of a measurement, the limit, the least or whether it is required, and
leaves the rest. What a run knows to be a bound (the plan's bytes, the stack's static bound, the board's flash) holds
where a limit is beyond it.

A required limit fails a run on a target that cannot measure the value, and a run of a network that lacks it. A build
with other kernels than the fast ones also has the limits of "MODEL/KERNELS", which come last. Cycles and flash are a
compiler's: "MODEL@gcc" or "MODEL@gcc-13" (with "/KERNELS" before the @) holds for what that compiler makes. "default"
takes both, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import zoo
from hil.board import Board
from hil.errors import HilError
from hil.firmware.toolchain import Compiler
from hil.paths import platforms
from hil.reading import is_finite, read_text, toml_of
from hil.shown import shown

if TYPE_CHECKING:
    from hil.firmware.build import Firmware


class Verdict(StrEnum):
    """On a measurement that has a limit."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Limit:
    """The largest value that passes, and the smallest. is_required: a run without a value fails on any target.

    None: not said here.
    """

    value: float | None
    is_required: bool | None = None
    least: float | None = None

    def over(self, before: Limit | None) -> Limit:
        """Both, where a later one says what an earlier one has said already."""
        if before is None:
            return self
        value = before.value if self.value is None else self.value
        is_required = before.is_required if self.is_required is None else self.is_required
        return Limit(value, is_required, before.least if self.least is None else self.least)


Limits = dict[str, Limit]

MOST_BYTES = 1 << 20  # of a file of limits
_SECTION = re.compile(r"([^/@]+)(?:/(?:fast|portable))?(?:@(?:gcc|clang|zig)(?:-[0-9]+)?)?")

OF_BOXES = frozenset((
    "decoder.differing", "outputs.offset_error", "outputs.score_error", "boxes.count_distance_to_float",
    "boxes.unmatched_with_float", "boxes.score_distance_to_float", "boxes.distance_to_float",
))  # fmt: skip
OF_CLASSES = frozenset(("logits.differing", "logits.distance_to_float", "class.differs_from_float"))
ADJUSTABLE = frozenset(("cycles.off_prediction",))  # whose own limit is no fact, as the plan's bytes are
OF_SOME = OF_BOXES | OF_CLASSES | {"instructions.total"}  # of one kind of network, or of counter: others lack them


@dataclass(frozen=True)
class Measurement:
    """One number that a run found. value None: it was not measured; limit: the largest value that passes.

    least: the smallest, or below it a value cannot be true. is_expected: the target can measure it, so that a run
    without the value fails where there is a limit; is_required: a run without the value fails in any case. cause: of a
    fault, in words.
    """

    name: str
    value: float | None
    unit: str
    limit: float | None = None
    least: float | None = None
    is_expected: bool = False
    is_required: bool = False
    cause: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """None where there is nothing to judge: no limit."""
        if self.value is None:
            return Verdict.NOT_MEASURED if self.limit is not None or self.least is not None else None
        if self.least is not None and not self.value >= self.least:
            return Verdict.FAILED
        if self.limit is None:
            return None
        return Verdict.PASSED if self.value <= self.limit else Verdict.FAILED  # NaN is in no limit

    @property
    def is_missing(self) -> bool:
        """It was not measured, though the target can or it is required."""
        return self.value is None and (self.is_expected or self.is_required)

    @property
    def ok(self) -> bool | None:
        """Whether a run may pass with it; None where nothing was measured and nothing had to be."""
        if self.verdict is Verdict.NOT_MEASURED and self.is_missing:
            return False
        return None if self.value is None else self.verdict is not Verdict.FAILED

    def __str__(self) -> str:
        """What it is, against what it may be, and why, on one line."""
        if self.value is None:
            text = f"{self.name} was not measured"
            text += (
                ", though it is required"
                if self.is_required
                else ", though this target can"
                if self.is_expected
                else ""
            )
        else:
            text = f"{self.name} is {_number(self.value)} {self.unit}"
            is_low = self.least is not None and self.value < self.least
            bound = f"at least {_number(self.least)}" if is_low else f"limit {_number(self.limit)}"
            text += f", {bound}" if is_low or self.limit is not None else ""
        return text + (f": {self.cause}" if self.cause and self.ok is False else "")


def _number(value: float | None) -> str:
    if value is None or not is_finite(value):
        return "-" if value is None else str(value)
    return f"{value:,.0f}".replace(",", " ") if value == round(value) else f"{value:.3g}"


def load_limits(
    board: Board,
    model: str,
    override: Path | None = None,
    kernels: str = "fast",
    compiler: Compiler | None = None,
    given: Limits | None = None,
) -> Limits:
    """The limits of a model on a board, by measurement name; compiler: whose figures hold, no one's where it is None.

    given: laid over the board's; override: a file laid over both. Raises HilError where a file is no table of limits.
    """
    names = compiler.names if compiler else ()
    plain = (name for whose in ("default", model) for name in (whose, f"{whose}/{kernels}"))
    sections = tuple(section for name in plain for section in _with(name, names))
    limits = _read(platforms() / "limits.toml", model, sections)
    if (own := board.folder / "limits.toml").exists():
        limits = laid_over(limits, _read(own, model, sections))
    limits = laid_over(limits, given or {})
    return limits if override is None else laid_over(limits, _read(override, model, sections))


def laid_over(limits: Limits, given: Limits) -> Limits:
    """Both, given's where they say the same of a measurement."""
    return limits | {name: limit.over(limits.get(name)) for name, limit in given.items()}


def limits_of(firmware: Firmware, override: Path | None = None, given: Limits | None = None) -> Limits:
    """The limits of a firmware, for its board, network, kernels and compiler; the rest as load_limits has it."""
    return load_limits(firmware.board, firmware.network_name, override, firmware.kernels, firmware.compiler, given)


def _with(section: str, compilers: tuple[str, ...]) -> tuple[str, ...]:
    return section, *(f"{section}@{name}" for name in compilers)


def _read(path: Path, model: str, sections: tuple[str, ...]) -> Limits:
    try:
        table = toml_of(read_text(path, MOST_BYTES, "limits"), str(path))
    except HilError as error:
        hint = "" if str(error).startswith("cannot read") else f': write [{model}], then "cycles.total" = 1e8'
        raise HilError(f"{error}{hint}") from error
    _check_sections(path, table, model, sections)
    limits: Limits = {}
    for section in sections:
        content = table.get(section, {})
        if not isinstance(content, dict):
            raise HilError(f"{path}: {section} is {content!r}, expected a table: write [{section}]")
        for name, limit in content.items():
            limits[name] = _limit(limit, f"{path}, [{section}] {name}").over(limits.get(name))
    return limits


def _check_sections(path: Path, table: dict[str, Any], model: str, sections: tuple[str, ...]) -> None:
    """Raises HilError for a section that is for no model, kernels or compiler that there are."""
    own = table.pop("models", [])
    if not isinstance(own, list) or not all(isinstance(name, str) for name in own):
        raise HilError(f"{path}: models is {shown(own)}, expected a list of names of networks of your own")
    strange = [name for name in table if name not in sections and not _SECTION.fullmatch(name)]
    models = {_SECTION.fullmatch(name)[1] for name in table if name not in sections and name not in strange}  # type: ignore[index]
    if models - {"default", model, *own, *zoo.names()}:
        from hil.reference.catalogue import SPECS  # takes torch, a second

        strange += sorted(models - {"default", model, *own, *zoo.names(), *SPECS})
    if strange:
        raise HilError(
            f"{path}: [{shown(strange[0])}] is for no model, kernels or compiler that there are, so its limits would "
            f'hold for nothing: write [{model}], or name networks of your own above: models = ["NAME"]'
        )


def _limit(said: Any, where: str) -> Limit:
    fields = said if isinstance(said, dict) else {"limit": said}
    bounds = [fields[key] for key in ("limit", "at_least") if key in fields]
    for bound in bounds:
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not is_finite(bound):
            raise HilError(f"{where}: the limit is {shown(bound)[:40]}, expected a number")
    is_required = fields.get("required")
    if not bounds or not isinstance(is_required, bool | None) or fields.keys() - {"limit", "at_least", "required"}:
        raise HilError(f"{where} is {said!r}, expected a number or {{ limit = NUMBER, required = true }}, or at_least")
    return Limit(fields.get("limit"), is_required, fields.get("at_least"))


def apply_limits(measurements: list[Measurement], limits: Limits) -> tuple[Measurement, ...]:
    """The measurements, declared limits in place of their own, and what a run lacks: counters, and what is required.

    Raises HilError for a limit of no measurement.
    """
    unknown = sorted(limits.keys() - {m.name for m in measurements} - OF_SOME)
    if unknown:
        known = ", ".join(m.name for m in measurements)
        raise HilError(f"no measurement is called {', '.join(map(repr, unknown))}: limits can be set for {known}")
    lacking = [Measurement(name, None, "") for name in sorted(limits.keys() - {m.name for m in measurements})]
    shown = [one for one in lacking if limits[one.name].is_required or one.name not in OF_BOXES | OF_CLASSES]
    return tuple(_limited(m, limits.get(m.name)) for m in (*measurements, *shown))


def _limited(measurement: Measurement, limit: Limit | None) -> Measurement:
    """What the limit does not say stays the measurement's own. No limit goes beyond what can be true."""
    if limit is None:
        return measurement
    said = limit.over(Limit(measurement.limit, measurement.is_required))
    if None not in (measurement.limit, said.value) and measurement.name not in ADJUSTABLE:
        said = replace(said, value=min(measurement.limit, said.value))  # type: ignore[type-var]
    least = max((bound for bound in (measurement.least, said.least) if bound is not None), default=None)
    return replace(measurement, limit=said.value, least=least, is_required=bool(said.is_required))
