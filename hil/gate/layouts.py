"""What is read of each kind of result, as types: a file that says something else is named, with the place in it."""

from __future__ import annotations

from msgspec import Struct

from hil.bench.read_back import Numbers, Origin
from hil.reading import Number


class Goal(Struct):
    """Of bench.json; must: the largest value that meets it."""

    name: str
    value: Number | None
    unit: str
    must: Number | None = None
    is_met: bool | None = None


class Layer(Struct):
    """Of bench.json."""

    name: str
    cycles: Number | None
    instructions: Number | None
    ram_bytes: Number | None
    flash_bytes: Number | None


class Bench(Struct):
    """bench.json."""

    model: str
    total_cycles: Number | None
    total_instructions: Number | None
    portable_total_cycles: Number | None
    ram_bytes: Number | None
    flash_bytes: Number | None
    goals: list[Goal]
    layers: list[Layer]
    board: str | None = None
    origin: Origin | None = None


class Profile(Struct):
    """profile.json; stacks: cycles by "outer;inner"."""

    model: str
    cycles: Number
    layers: Numbers
    functions: Numbers
    stalls: dict[str, Numbers] | None = None
    stacks: Numbers | None = None
    mode: str | None = None
    board: str | None = None
    origin: Origin | None = None


class Way(Struct):
    """How photos were evaluated, and what came of it."""

    shares: dict[str, Number | None]
    photos: Number | None
    per_second: Number | None


class Evaluation(Struct):
    """An evaluation's file."""

    model: str
    ways: dict[str, Way]
    data: str | None = None
    multi_scale: bool = False
    board: str | None = None
    origin: Origin | None = None
