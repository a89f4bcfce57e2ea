"""Measurements and their limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil import board
from hil.bench.limits import OF_BOXES, OF_CLASSES, Limit, Measurement, Verdict, apply_limits, limits_of, load_limits
from hil.errors import HilError
from hil.firmware.toolchain import Compiler

F407 = board.load("stm32f407_disco")


@pytest.mark.parametrize(
    ("value", "limit", "ok"), [(10, 10, True), (11, 10, False), (11, None, True), (None, 10, None), (0, 0, True)]
)
def test_a_value_passes_up_to_its_limit_and_an_unknown_one_has_no_verdict(value, limit, ok) -> None:
    assert Measurement("m", value, "byte", limit).ok is ok


@pytest.mark.parametrize("name", board.names())
@pytest.mark.parametrize("model", ["rnnpool_face_m4", "mine"])
def test_every_board_holds_a_run_against_its_references(name: str, model: str) -> None:
    """A board without a limits.toml of its own is judged no more mildly than the first one."""
    limits = load_limits(board.load(name), model)
    assert limits.keys() >= {*OF_BOXES, *OF_CLASSES, "watermarks.disagreement", "layers.differing"}
    assert all(limits[of] == load_limits(F407, model)[of] for of in (*OF_BOXES, *OF_CLASSES))


def test_the_board_declares_the_limits_of_m4() -> None:
    gcc = Compiler("gcc", "12.2.1")
    limits = load_limits(F407, "rnnpool_face_m4", compiler=gcc)
    assert limits["cycles.total"] == Limit(130_000_000)
    portable = load_limits(F407, "rnnpool_face_m4", kernels="portable", compiler=gcc)
    assert portable == limits | {"cycles.total": Limit(630_000_000)}
    assert load_limits(F407, "rnnpool_face_m4")["outputs.score_error"] == Limit(0.33)
    assert "cycles.total" not in load_limits(F407, "some_other_model")


def test_a_users_table_is_laid_over_the_boards(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[default]\n"ram.heap_used" = 0\n[rnnpool_face_m4]\n"cycles.total" = 5\n')
    limits = load_limits(F407, "rnnpool_face_m4", path)
    of_board = load_limits(F407, "rnnpool_face_m4")["ram.total_bytes"]
    assert (limits["cycles.total"], limits["ram.heap_used"]) == (Limit(5), Limit(0))
    assert limits["ram.total_bytes"] == of_board


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


def test_default_takes_kernels_and_compilers_and_a_networks_own_come_last(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[default]\na = 1\nb = 1\nc = 1\nd = 1\n["default@gcc"]\nb = 2\n["default/portable"]\nc = 3\n[net]\nd = 4\n'
    )
    gcc = Compiler("gcc", "12.2.1")
    limits = load_limits(F407, "net", path, "portable", gcc)
    assert [limits[name].value for name in "abcd"] == [1, 2, 3, 4]
    assert load_limits(F407, "net", path)["b"].value == load_limits(F407, "net", path)["c"].value == 1


def test_a_firmwares_limits_are_those_of_its_kernels_and_compiler() -> None:
    firmware: Any = SimpleNamespace(
        board=F407, network_name="rnnpool_face_m4", kernels="portable", compiler=Compiler("gcc", "12.2.1")
    )
    assert limits_of(firmware)["cycles.total"] == Limit(630_000_000)
    firmware.kernels = "fast"
    assert limits_of(firmware)["cycles.total"] == Limit(130_000_000)


def test_what_is_required_of_a_network_that_lacks_it_is_shown_and_fails() -> None:
    limits = {"class.differs_from_float": Limit(0, is_required=True), "logits.differing": Limit(0)}
    (lacking,) = apply_limits([], limits)
    assert (lacking.name, lacking.ok) == ("class.differs_from_float", False)
    assert str(lacking) == "class.differs_from_float was not measured, though it is required"


def test_a_misspelt_limit_is_an_error_and_not_a_limit_that_is_kept() -> None:
    with pytest.raises(HilError, match=r"no measurement is called 'cycles.totl'.*cycles.total"):
        apply_limits([Measurement("cycles.total", 1, "cycle")], {"cycles.totl": Limit(1)})


def test_a_declared_limit_replaces_the_measurements_own() -> None:
    (found,) = apply_limits([Measurement("cycles.total", 7, "cycle", 10)], {"cycles.total": Limit(5)})
    assert found == Measurement("cycles.total", 7, "cycle", 5)


def test_no_limit_goes_beyond_what_a_run_knows_to_be_a_bound() -> None:
    beyond = [Measurement("ram.arena_used", 104, "byte", 100), Measurement("cycles.off_prediction", 1.7, "times", 1.5)]
    arena, speed = apply_limits(beyond, {"ram.arena_used": Limit(200), "cycles.off_prediction": Limit(2)})
    assert arena.limit == 100 and arena.ok is False
    assert speed.limit == 2 and speed.ok is True, "a network of one's own may have worse predictions"
    (tighter,) = apply_limits(beyond[:1], {"ram.arena_used": Limit(50)})
    assert tighter.limit == 50


def test_a_ratio_can_be_held_from_below(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[default]\n"mask.signal_to_noise" = { at_least = 20 }\n"ram.stack_used" = { at_least = 8 }\n')
    limits = load_limits(F407, "mine", path)
    measured = [Measurement("mask.signal_to_noise", 19.5, "dB"), Measurement("ram.stack_used", 20, "byte", 900, 32)]
    ratio, stack = apply_limits(measured, {m.name: limits[m.name] for m in measured})
    assert (str(ratio), ratio.ok) == ("mask.signal_to_noise is 19.5 dB, at least 20", False)
    assert (stack.limit, stack.least, stack.ok) == (900, 32, False)
    assert replace(ratio, value=20.5).ok


def test_a_later_section_leaves_what_it_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[default]\n"layers.distance_to_float" = { at_least = 0 }\n"cycles.total" = { limit = 9, required = true }\n'
        '[mine]\n"cycles.total" = 7\n'
    )
    limits = load_limits(F407, "mine", path)
    assert limits["layers.distance_to_float"] == Limit(2, None, 0)
    assert limits["cycles.total"] == Limit(7, True)
    path.write_text(path.read_text().replace(" = 7", " = { limit = 7, required = false }"))
    assert load_limits(F407, "mine", path)["cycles.total"] == Limit(7, False)


def test_a_counter_that_the_target_has_not_is_named_where_it_has_a_limit() -> None:
    (found,) = apply_limits([], {"instructions.total": Limit(1)})
    assert (found.name, found.verdict, found.ok) == ("instructions.total", Verdict.NOT_MEASURED, None)


@pytest.mark.parametrize("said", ["{ at_least = true }", "{ required = true }", "{ at_least = 1, most = 2 }", "{}"])
def test_a_bound_is_a_number_and_there_is_one(tmp_path: Path, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[default]\n"cycles.total" = {said}\n')
    with pytest.raises(HilError, match="expected a number"):
        load_limits(F407, "mine", path)


@pytest.mark.parametrize(
    ("measurement", "verdict", "ok"),
    [
        (Measurement("m", None, "byte"), None, None),
        (Measurement("m", None, "byte", 5), Verdict.NOT_MEASURED, None),
        (Measurement("m", None, "byte", 5, is_expected=True), Verdict.NOT_MEASURED, False),
        (Measurement("m", None, "byte", is_expected=True), None, None),
        (Measurement("m", None, "byte", 5, is_required=True), Verdict.NOT_MEASURED, False),
        (Measurement("m", 0, "byte", 5, least=1), Verdict.FAILED, False),
        (Measurement("m", 1, "byte", 5, least=1), Verdict.PASSED, True),
        (Measurement("m", float("nan"), "byte", 5), Verdict.FAILED, False),
        (Measurement("m", 6, "byte"), None, True),
    ],
)
def test_what_was_not_measured_passes_only_where_nobody_could(measurement, verdict, ok) -> None:
    assert (measurement.verdict, measurement.ok) == (verdict, ok)


def test_a_fault_says_what_it_is_on_one_line() -> None:
    assert str(Measurement("m", 0, "byte", 9, least=32)) == "m is 0 byte, at least 32"
    assert str(Measurement("m", 1234, "byte", 9, cause="too much")) == "m is 1 234 byte, limit 9: too much"
    assert "though this target can" in str(Measurement("m", None, "byte", 9, is_expected=True))
    assert "though it is required" in str(Measurement("m", None, "byte", 9, is_required=True))


def test_a_limit_can_be_required(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[default]\n"cycles.total" = { limit = 7, required = true }\n')
    limits = load_limits(F407, "some_other_model", path)
    assert limits["cycles.total"] == Limit(7, is_required=True)
    (found,) = apply_limits([Measurement("cycles.total", None, "cycle")], {"cycles.total": limits["cycles.total"]})
    assert found.ok is False


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"cycles.total" = { limt = 7 }', "expected a number or"),
        ('"cycles.total" = { limit = 7, required = 1 }', "expected a number or"),
        ('"cycles.total" = { limit = 7, needed = true }', "expected a number or"),
        ('"cycles.total" = nan', "the limit is nan, expected a number"),
        ("default = 3", "expected a table"),
    ],
)
def test_a_limit_that_is_none_is_explained(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(line if line.startswith("default") else f"[default]\n{line}\n")
    with pytest.raises(HilError, match=message):
        load_limits(F407, "some_other_model", path)
