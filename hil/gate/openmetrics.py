"""Runs for Prometheus and what else reads OpenMetrics 1.0 text (a gauge a measurement, told apart by labels)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hil.gate.figures import Figure, measurements
from hil.gate.results import image, network


def openmetrics(runs: Iterable[Mapping[str, Any]]) -> str:
    """The text. Each run is an object as in a results folder; a measurement without a value is left out."""
    rows = [(_labels(number, run), run) for number, run in enumerate(runs, 1)]
    figures = [(labels, figure) for labels, run in rows for figure in measurements(run)]
    passed = [(labels, float(run["passed"])) for labels, run in rows]
    values = [(_of(labels, figure), figure.value) for labels, figure in figures if figure.value is not None]
    limits = [(_of(labels, figure), figure.limit) for labels, figure in figures if figure.limit is not None]
    lines = [
        *_family("hil_run_passed", "Whether the run kept all its limits and was bit-exact.", passed),
        *_family("hil_measurement", "A measurement of a run, in the unit that its label names.", values),
        *_family("hil_limit", "The largest value of a measurement that passes.", limits),
    ]
    return "".join(f"{line}\n" for line in [*lines, "# EOF"])


def _labels(number: int, run: Mapping[str, Any]) -> dict[str, str]:
    made = run.get("origin") or {}
    labels = {"run": number, "model": network(run), "board": run["board"], "target": run["target"], "image": image(run)}
    labels |= {name: made.get(name) for name in ("test", "commit", "branch")}
    return {name: str(value) for name, value in labels.items() if value is not None}


def _of(labels: Mapping[str, str], figure: Figure) -> dict[str, str]:
    return {**labels, "name": figure.name, "unit": figure.unit}


def _family(name: str, what: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} {what}"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value:.17g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
