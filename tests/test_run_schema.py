"""run.json's schema is what runs write: every field, and nothing else."""

from __future__ import annotations

from typing import Any

import fakes
import msgspec
import pytest

from hil.bench.classify import Classification
from hil.bench.compare import Divergence
from hil.bench.run import Run
from hil.bench.schema import RunFile, json_schema
from hil.bench.tensors import TensorFound

RUNS = {
    "a detector's": fakes.run(),
    "one that failed": fakes.run(bit_exact=False, divergence=Divergence("conv0", 1, 2, 3, 4, 5, 6, 7, "state")),
    "a classifier's": fakes.run(classification=Classification(("a", "b"), (1.0, 0.0), (1.0, 0.0), (0.9, 0.1))),
    "plain tensors": fakes.run(tensors=(TensorFound("out", "conv1", (1, 2, 3), 41.5),), digests={"conv1": "00ff00ff"}),
}


def _read(written: dict[str, Any]) -> RunFile:
    return msgspec.json.decode(msgspec.json.encode(written), type=RunFile)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_run_fits_its_schema(run: Run) -> None:
    assert _read(run.to_json()).passed is run.passed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"surplus": 1}, "unknown field `surplus`"),
        ({"schema": 2}, "<= 1"),
        ({"passed": "yes"}, "Expected `bool`"),
        ({"detections": [{"x0": 0}]}, "missing required field"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        _read(fakes.run().to_json() | change)


def test_a_missing_field_is_refused() -> None:
    written = fakes.run().to_json()
    del written["cycles"]
    with pytest.raises(msgspec.ValidationError, match="cycles"):
        _read(written)


def test_the_schema_names_every_field_that_is_written() -> None:
    fields = json_schema()["$defs"]["RunFile"]["properties"]
    assert set(fields) == fakes.run().to_json().keys() | {"origin"}
