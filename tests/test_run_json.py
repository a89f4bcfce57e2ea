"""run.json keeps its schema: other tools read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from fakes import boxes

from hil.bench.compare import Divergence
from hil.bench.limits import Measurement
from hil.bench.run import write_json
from hil.files import writing

NUMBER = (int, float)
BOX = {"x0": NUMBER, "y0": NUMBER, "x1": NUMBER, "y1": NUMBER, "score": NUMBER}
OPTIONAL = (int, type(None))
SCHEMA: dict[str, Any] = {
    "schema": int,
    "target": str,
    "board": str,
    "model": str,
    "firmware": {
        "build_id": str, "flash_bytes": OPTIONAL, "compiler": (str, type(None)), "elf_hash": str, "changed": [str],
        "flash_by_section": (dict, type(None)), "flash_by_function": (dict, type(None)),
    },
    "image": {"path": (str, type(None)), "sha256": str, "width": int, "height": int, "fitted": bool},
    "detections": [BOX],
    "reference_detections": [BOX],
    "float_detections": [BOX],
    "classification": (dict, type(None)),
    "tensors": [{"name": str, "layer": str, "shape": list, "signal_to_noise_db": (*NUMBER, type(None))}],
    "digests": (dict,),
    "bit_exact": bool,
    "first_divergent_layer": (str, type(None)),
    "divergence": (dict, type(None)),
    "cycles": {
        "source": (str, type(None)),
        "clock_hz": int,
        "total": OPTIONAL,
        "layers": (dict, type(None)),
        "decode": OPTIONAL,
        "mode": (str, type(None)),
        "full_total": OPTIONAL,
        "schedule": OPTIONAL,
    },
    "ram": {
        "static_bytes": OPTIONAL,
        "arena_planned": int,
        "arena_used": OPTIONAL,
        "stack_used": OPTIONAL,
        "stack_bound": OPTIONAL,
        "heap_used": OPTIONAL,
        "total_bytes": OPTIONAL,
        "static_by_memory": (dict, type(None)),
        "buffers": (dict, type(None)),
    },
    "link": {"bytes_in": int, "bytes_out": int, "retries": int},
    "measurements": [{"name": str, "value": (*NUMBER, type(None)), "unit": str, "limit": (*NUMBER, type(None)),
                      "ok": (bool, type(None)), "verdict": (str, type(None)), "required": bool,
                      "cause": (str, type(None))}],
    "operating_point": float,
    "not_measured": [str],
    "passed": bool,
}  # fmt: skip


def check_schema(value: Any, schema: Any = SCHEMA, where: str = "run") -> None:
    """Fail where a run.json object is not what SCHEMA says: fields missing, too many, or of another type."""
    if isinstance(schema, dict):
        assert isinstance(value, dict) and value.keys() == schema.keys(), f"{where}: {value.keys() ^ schema.keys()}"
        for key in schema:
            check_schema(value[key], schema[key], f"{where}.{key}")
    elif isinstance(schema, list):
        for i, entry in enumerate(value):
            check_schema(entry, schema[0], f"{where}[{i}]")
    else:
        assert isinstance(value, schema), f"{where} is {value!r}"


@pytest.mark.parametrize(
    "changes", [{}, {"detections": boxes()}, {"divergence": Divergence("conv0", 1, 2, 3, 4, 5, 6, 7)}]
)
def test_a_run_has_the_schemas_fields(changes: dict[str, Any]) -> None:
    check_schema(json.loads(json.dumps(fakes.run(**changes).to_json())))


def test_the_schema_check_sees_a_missing_field_and_a_wrong_type() -> None:
    found = fakes.run().to_json()
    with pytest.raises(AssertionError, match="passed"):
        check_schema({key: value for key, value in found.items() if key != "passed"})
    with pytest.raises(AssertionError, match=r"run\.ram\.arena_planned is None"):
        check_schema(found | {"ram": found["ram"] | {"arena_planned": None}})


def test_one_run_is_an_object_and_several_are_a_list(tmp_path: Path) -> None:
    write_json([fakes.run()], tmp_path / "one.json")
    write_json([fakes.run(), fakes.run()], tmp_path / "two.json")
    check_schema(json.loads((tmp_path / "one.json").read_text()))
    several = json.loads((tmp_path / "two.json").read_text())
    assert isinstance(several, list) and len(several) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_boxes_come_back_from_json_bit_by_bit() -> None:
    box = boxes((np.nextafter(np.float32(0.1), np.float32(1)), 1e-7, 1 / 3, 2e5, 0.1))
    (found,) = json.loads(json.dumps(fakes.run(detections=box).to_json()))["detections"]
    assert np.array(list(found.values()), np.float32).tobytes() == box.tobytes()


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"bit_exact": False}, False),
        ({"measurements": (Measurement("cycles.total", 11, "cycle", 10),)}, False),
        ({"measurements": (Measurement("cycles.total", None, "cycle", 10),)}, True),
        ({"measurements": (Measurement("cycles.total", None, "cycle", 10, is_expected=True),)}, False),
        ({"measurements": (Measurement("ram.stack_used", 0, "byte", 10, least=32),)}, False),
    ],
)
def test_a_run_passes_if_it_is_exact_and_keeps_its_limits(changes: dict[str, Any], passed: bool) -> None:
    assert fakes.run(**changes).to_json()["passed"] is passed


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), writing(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["run.json"]
