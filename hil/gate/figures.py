"""What a run found as one flat table (name, value, unit, limit), which every report of the gate is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NOT_MEASURED = "not measured"  # what stands for a value that there is not, where there must be a text


@dataclass(frozen=True)
class Figure:
    """One number. value None: not measured; limit: the largest value that passes; ok: as in run.json."""

    name: str
    value: float | None
    unit: str
    limit: float | None = None
    ok: bool | None = None


def measurements(run: Mapping[str, Any]) -> list[Figure]:
    """The measurements of run.json's object, in its order."""
    return [Figure(m["name"], m["value"], m["unit"], m["limit"], m["ok"]) for m in run["measurements"]]


def of_run(run: Mapping[str, Any]) -> list[Figure]:
    """The measurements, then what has no limit: cycles a layer, RAM a buffer, flash a section and function."""
    return [*measurements(run), *_details(run)]


def _details(run: Mapping[str, Any]) -> Iterator[Figure]:
    cycles, ram, firmware = run["cycles"], run["ram"], run["firmware"]
    unit = "instruction" if cycles["source"] == "instructions" else "cycle"
    yield from _each("cycles.layer", cycles.get("layers"), unit)
    for part in ("decode", "schedule"):
        if cycles.get(part) is not None:
            yield Figure(f"cycles.{part}", cycles[part], unit)
    yield from _each("ram.static", ram.get("static_by_memory"), "byte")
    yield from _each("ram.buffer", ram.get("buffers"), "byte")
    yield from _each("flash.section", firmware.get("flash_by_section"), "byte")
    yield from _each("flash.function", firmware.get("flash_by_function"), "byte")


def of_bench(bench: Mapping[str, Any]) -> list[Figure]:
    """bench.json's totals, its goals as limits, and its layers."""
    goals = {goal["name"]: goal for goal in bench["goals"]}
    totals = {
        "cycles.total": (bench["total_cycles"], "cycle"),
        "instructions.total": (bench["total_instructions"], "instruction"),
        "cycles.portable": (bench["portable_total_cycles"], "cycle"),
        "ram.total_bytes": (bench["ram_bytes"], "byte"),
        "flash.total_bytes": (bench["flash_bytes"], "byte"),
    }
    totals |= {name: (goal["value"], goal["unit"]) for name, goal in goals.items() if name not in totals}
    found = [
        Figure(name, value, unit, goals.get(name, {}).get("must"), goals.get(name, {}).get("is_met"))
        for name, (value, unit) in totals.items()
    ]
    for kind, field, unit in _OF_LAYERS:
        found += _each(kind, {layer["name"]: layer[field] for layer in bench["layers"]}, unit)
    return found


_OF_LAYERS = (
    ("cycles.layer", "cycles", "cycle"), ("instructions.layer", "instructions", "instruction"),
    ("ram.layer", "ram_bytes", "byte"), ("flash.layer", "flash_bytes", "byte"),
)  # fmt: skip


def of_profile(profile: Mapping[str, Any]) -> list[Figure]:
    """profile.json's total and layers; its functions and rules are compared as a whole (hil.gate.profiles)."""
    return [Figure("cycles.profiled", profile["cycles"], "cycle"), *_each("cycles.layer", profile["layers"], "cycle")]


def of_evaluation(evaluation: Mapping[str, Any]) -> list[Figure]:
    """An evaluation's shares (AP by difficulty, accuracy) and speed, a way after another."""
    found = []
    for way, of_way in evaluation["ways"].items():
        found += [Figure(f"{name}.{way}", value, "share") for name, value in of_way["shares"].items()]
        found.append(Figure(f"photos.{way}", of_way["photos"], "photo"))
        found.append(Figure(f"host.photos_per_second.{way}", of_way["per_second"], "photo a second"))
    return found


def _each(kind: str, values: Mapping[str, float] | None, unit: str) -> list[Figure]:
    return [Figure(f"{kind}.{name}", value, unit) for name, value in (values or {}).items()]
