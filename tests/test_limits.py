"""Measurements and their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import board
from hil.bench.limits import Measurement, apply_limits, load_limits
from hil.errors import HilError

F407 = board.load("stm32f407_disco")


@pytest.mark.parametrize(
    ("value", "limit", "ok"), [(10, 10, True), (11, 10, False), (11, None, True), (None, 10, None), (0, 0, True)]
)
def test_a_value_passes_up_to_its_limit_and_an_unknown_one_has_no_verdict(value, limit, ok) -> None:
    assert Measurement("m", value, "byte", limit).ok is ok


def test_the_board_declares_the_limits_of_m4() -> None:
    limits = load_limits(F407, "rnnpool_face_m4")
    assert limits["cycles.total"] == 130_000_000
    assert load_limits(F407, "rnnpool_face_m4", kernels="portable") == limits | {"cycles.total": 620_000_000}
    assert "cycles.total" not in load_limits(F407, "some_other_model")


def test_a_users_table_is_laid_over_the_boards(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[default]\n"ram.heap_used" = 0\n[rnnpool_face_m4]\n"cycles.total" = 5\n')
    limits = load_limits(F407, "rnnpool_face_m4", path)
    of_board = load_limits(F407, "rnnpool_face_m4")["ram.total_bytes"]
    assert (limits["cycles.total"], limits["ram.heap_used"], limits["ram.total_bytes"]) == (5, 0, of_board)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[rnnpool", "is not TOML"), ('[default]\n"cycles.total" = "many"\n', "expected a number"), (None, "cannot read")],
)
def test_a_table_that_is_none_is_explained(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HilError, match=message):
        load_limits(F407, "rnnpool_face_m4", path)


def test_a_misspelt_limit_is_an_error_and_not_a_limit_that_is_kept() -> None:
    with pytest.raises(HilError, match=r"no measurement is called 'cycles.totl'.*cycles.total"):
        apply_limits([Measurement("cycles.total", 1, "cycle")], {"cycles.totl": 1})


def test_a_declared_limit_replaces_the_measurements_own() -> None:
    (found,) = apply_limits([Measurement("cycles.total", 7, "cycle", 10)], {"cycles.total": 5})
    assert found == Measurement("cycles.total", 7, "cycle", 5)
