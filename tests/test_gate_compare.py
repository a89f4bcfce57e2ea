"""`hil compare`: what moved is named, what must not move ends with 1, what cannot be compared is named and is not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import compared
import numpy as np
import pytest
from cli import Outcome, hil
from hypothesis import given
from hypothesis import strategies as st

from hil.evaluation.classes import Accuracy
from hil.evaluation.figures import Shares, write_evaluation_json
from hil.evaluation.journal import Predictions
from hil.evaluation.run import Task
from hil.gate.difference import Verdict, compare
from hil.gate.documents import load
from hil.gate.profiles import moved_functions
from hil.gate.tolerance import DEFAULTS, Tolerance, load_tolerances
from hil.report.comparison import MARKER, as_markdown, render


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`hil compare` in an empty folder, on objects or paths."""
    monkeypatch.chdir(tmp_path)

    def call(base: object, head: object, *options: str | Path) -> Outcome:
        paths = [
            one if isinstance(one, Path) else compared.write(tmp_path / f"{name}.json", one)
            for name, one in (("base", base), ("head", head))
        ]
        return hil(capsys, monkeypatch, "compare", *paths, *options)

    return call


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The results of two commits: a slower kernel, a larger buffer and worse weights."""
    for name, runs in (("base", compared.run()), ("head", compared.slower_and_larger())):
        compared.write(tmp_path / name / "run.json", runs)
    for name, ap, conv, stalls in (("base", 0.8, 5000, 100), ("head", 0.7, 9000, 4000)):
        compared.write(tmp_path / name / "evaluation.json", compared.evaluation(ap))
        compared.write(tmp_path / name / "deeper" / "profile.json", compared.profile(conv, stalls))
    return tmp_path / "base", tmp_path / "head"


def test_equal_results_are_equal(command) -> None:
    said = command(compared.run(), compared.run())
    assert said.code == 0 and "passed: nothing moved" in said.out


def test_a_slower_kernel_a_larger_buffer_and_worse_weights_are_each_named(command, tmp_path: Path) -> None:
    base, head = folders(tmp_path)
    said = command(base, head, "--markdown", "comment.md", "--html", "page.html")
    assert said.code == 1
    for text in (said.out, (tmp_path / "comment.md").read_text(), (tmp_path / "page.html").read_text()):
        for named in ("cycles.layer.conv0", "ram.buffer.rows", "ap.easy.integer", "conv_row", "address-stall +3 900"):
            assert named in text, named
    assert (tmp_path / "comment.md").read_text().startswith(MARKER)
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_the_other_way_round_the_gains_are_named(command, tmp_path: Path) -> None:
    base, head = folders(tmp_path)
    said = command(head, base)
    assert said.code == 0 and "better" in said.out
    assert "cycles.layer.conv0" in said.out and "ap.easy.integer" in said.out


def test_a_tolerance_file_allows_what_it_says(command, tmp_path: Path) -> None:
    base, head = folders(tmp_path)
    (tmp_path / "t.toml").write_text(
        '[tolerance]\n"cycles.*" = { relative = 1.0 }\n"ram.*" = { absolute = 4096 }\n[falls]\n"ap.*" = "any"\n'
    )
    assert command(base, head, "--tolerance", "t.toml").code == 0
    (tmp_path / "t.toml").write_text('[tolerance]\n"*" = { relative = 1.0 }\n"ram.*" = "any"\n')
    assert command(base, head, "--tolerance", "t.toml").code == 0
    (tmp_path / "t.toml").write_text('[tolerance]\n"cycles.total" = "may only fall"\n"*" = "any"\n')
    said = command(base, head, "--tolerance", "t.toml")
    assert said.code == 1 and "1 figure past tolerance" in said.out


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[tolerance", "is not TOML"),
        ("[limits]\n", "no section 'limits'"),
        ("tolerance = 3\n", "expected a table"),
        ('[tolerance]\n"a" = "some"\n', "may only fall"),
        ('[tolerance]\n"a" = { relative = -1 }\n', "a number of 0 or more"),
        ('[tolerance]\n"a" = { relative = nan }\n', "a number of 0 or more"),
        ('[tolerance]\n"a" = { relativ = 1 }\n', "expected { relative"),
    ],
)
def test_bad_tolerances_are_told(command, tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    said = command(compared.run(), compared.run(), "--tolerance", "t.toml")
    assert said.code == 2 and named in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("model", "vww", "network"),
        ("board", "stm32f429_disco", "board"),
        ("target", "native", "target"),
    ],
)
def test_another_network_board_or_target_is_named_and_not_compared(command, key: str, value: str, named: str) -> None:
    said = command(compared.run(), compared.run() | {key: value})
    assert said.code == 2 and "nothing was compared" in said.err
    assert f"{named} {compared.run()[key]} there, {value} here" in said.err


def test_another_schema_is_named(command) -> None:
    said = command(compared.run(), compared.run() | {"schema": 2})
    assert said.code == 2 and "head.json has schema 2, this hil reads 1" in said.err


def test_what_only_one_side_has_is_named(command, tmp_path: Path) -> None:
    base, head = folders(tmp_path)
    compared.write(head / "more.json", compared.run(test="test_new"))
    compared.write(base / "less.json", compared.run(test="test_old") | {"target": "native"})
    said = command(head, base)
    assert said.code == 0
    assert "only in base: rnnpool_face_m4 stm32f407_disco sim a b.png test_new" in said.out
    assert "only in head: rnnpool_face_m4 stm32f407_disco native a b.png test_old" in said.out


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "is damaged"),
        ("[]", "is neither run.json"),
        ('{"a": 1}', "is neither run.json"),
        ("[" * 100_000, "is damaged"),
        (json.dumps(compared.run() | {"measurements": [{"name": "a"}]}), "is damaged: as run.json"),
        (json.dumps(compared.run() | {"cycles": 3}), "is damaged: as run.json"),
        (json.dumps(compared.run() | {"operating_point": float("nan")}), "is damaged: it is not JSON"),
        (json.dumps(compared.run() | {"operating_point": 10**400}), "is damaged: as run.json"),
        (json.dumps(compared.run() | {"digests": 3, "target": ["sim"]}), "is damaged: as run.json"),
        (json.dumps(compared.profile(5, 1) | {"stalls": {"main": 3}}), "is damaged: as profile.json"),
        (json.dumps(compared.evaluation(0.5) | {"ways": {"integer": 3}}), "is damaged: as evaluation.json"),
    ],
)
def test_a_damaged_file_is_named(command, tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    said = command(compared.run(), tmp_path / "bad.json")
    assert said.code == 2 and named in said.err and "bad.json" in said.err and said.err.count("\n") == 1


def test_a_folder_without_results_says_how_to_get_some(command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = command(tmp_path / "empty", compared.run())
    assert said.code == 2 and "--hil-results" in said.err
    assert command(tmp_path / "nowhere.json", compared.run()).code == 2


def test_a_run_that_passed_and_fails_now_is_worse_whatever_moved(command) -> None:
    failing = copy.deepcopy(compared.run()) | {"passed": False, "bit_exact": False, "first_divergent_layer": "conv0"}
    failing["digests"]["rnnpool"] = "ffffffff"
    failing["detections"] = failing["detections"][1:]
    said = command(compared.run(), failing)
    assert said.code == 1 and "no longer bit-exact: conv0" in said.out
    assert "1 of 2 tensors have other values, the first is rnnpool" in said.out
    assert "boxes shown 1 -> 0" in said.out


def test_a_value_that_is_no_longer_measured_is_gone(command, tmp_path: Path) -> None:
    head = compared.run()
    compared.measure(head, "outputs.score_error", None)
    said = command(compared.run(), head)
    assert said.code == 1 and "outputs.score_error is gone" in said.out and Verdict.GONE in said.out
    (tmp_path / "t.toml").write_text('[tolerance]\n"outputs.*" = "any"\n')
    assert command(compared.run(), head, "--tolerance", "t.toml").code == 0


def test_a_part_may_go_while_others_of_its_kind_are_there(command) -> None:
    head = compared.run()
    del head["cycles"]["layers"]["loc0"], head["ram"]["buffers"]["states"]
    said = command(compared.run(), head)
    assert said.code == 0 and Verdict.GONE in said.out
    head["ram"]["buffers"] = {}
    assert "2 figures are gone, the first is ram.buffer.rows" in command(compared.run(), head).out


def test_a_run_that_says_less_is_worse(command) -> None:
    head = compared.run()
    head["measurements"] = [m for m in head["measurements"] if m["name"] != "outputs.score_error"]
    said = command(compared.run(), head)
    assert said.code == 1 and "outputs.score_error is gone" in said.out
    for digests in (None, {"conv0": "00000001"}):
        said = command(compared.run(), compared.run() | {"digests": digests})
        assert said.code == 1 and "of 2 digests are gone, the first is" in said.out


TENSOR = {"name": "depth", "layer": "conv9", "shape": [1, 2, 3], "signal_to_noise_db": 30.0}
CLASS = {"predicted": "cat", "classes": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("more", "less", "named"),
    [
        ({"classification": CLASS}, {"classification": None}, "its class is gone, it was cat"),
        ({"classification": CLASS}, {"classification": {"predicted": None}}, "its class is gone, it was cat"),
        ({"tensors": [TENSOR]}, {"tensors": []}, "1 of 1 output tensors are gone, the first is depth"),
        ({}, {"detections": [], "reference_detections": []}, "its boxes are gone, 1 were shown"),
    ],
)
def test_answers_that_are_gone_are_worse(command, more: dict, less: dict, named: str) -> None:
    base = compared.run() | more
    assert command(base, base).code == 0
    said = command(base, base | less)
    assert said.code == 1 and named in said.out


def changed(name: str, **changes: object) -> dict:
    """A run one of whose measurements has other fields."""
    found = compared.run()
    next(m for m in found["measurements"] if m["name"] == name).update(changes)
    return found


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (compared.run() | {"passed": False}, "head says that it failed, though it is bit-exact and all its"),
        (compared.run() | {"bit_exact": False}, "head says that it passed, though it is not bit-exact"),
        (changed("firmware.flash_bytes", ok=False), "head says that it passed, though firmware.flash_bytes is 190000"),
        (changed("outputs.score_error", value=0.1, limit=0.05), "head says that it passed, though outputs.score_error"),
        (changed("outputs.score_error", value=None), "head says that outputs.score_error is ok, though it was not"),
        (compared.run() | {"detections": []}, "head says that it is bit-exact, though its boxes are not"),
    ],
)  # fmt: skip
def test_a_verdict_that_does_not_follow_from_the_run_is_a_fault_on_both_sides(command, head: dict, named: str) -> None:
    said = command(compared.run(), head)
    assert said.code == 1 and named in said.out
    said = command(head, compared.run())
    assert said.code == 1 and named.replace("head", "base", 1) in said.out


def test_a_measurement_that_is_there_twice_is_a_fault(command) -> None:
    head = compared.run()
    head["measurements"].insert(0, changed("cycles.total", value=299_000_000)["measurements"][0])
    said = command(compared.run(), head)
    assert said.code == 1 and "head has cycles.total 2 times" in said.out


def test_an_evaluation_without_its_figures_or_a_way_is_worse(command) -> None:
    base = compared.evaluation(0.8, ("integer", "native"))
    head = copy.deepcopy(base)
    head["ways"]["integer"]["shares"]["ap.easy"] = None
    said = command(base, head)
    assert said.code == 1 and "ap.easy.integer is gone" in said.out
    said = command(base, compared.evaluation(0.8))
    assert said.code == 1 and "the first is ap.easy.native" in said.out


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"photos": 3}, "photos 20 there, 3 here"),
        ({"data": "FDDB"}, "data WIDER there, FDDB here"),
        ({"multi_scale": True}, "multi_scale False there, True here"),
    ],
)
def test_an_evaluation_of_other_photos_is_not_compared(command, other: dict, named: str) -> None:
    said = command(compared.evaluation(0.8), compared.evaluation(0.9, **other))
    assert said.code == 2 and named in said.err


GOAL = compared.bench()["goals"][0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"goals": [GOAL | {"is_met": False}]}, "the goal cycles.total is missed"),
        ({"goals": [GOAL | {"value": 5_000_000}]}, "the goal cycles.total is missed: 5000000 cycles, at most 4000000"),
        ({"goals": [GOAL | {"value": None}]}, "the goal cycles.total is missed"),
        ({"goals": []}, "the goal cycles.total is gone"),
        ({"goals": [GOAL | {"is_met": False}, GOAL]}, "head has cycles.total 2 times"),
        ({"total_cycles": None}, "cycles.total is gone"),
        ({"layers": compared.bench()["layers"] * 2}, "head has layer conv0 2 times"),
    ],
)
def test_a_bench_that_misses_a_goal_or_lacks_a_figure_is_worse(command, changes: dict, named: str) -> None:
    assert command(compared.bench(), compared.bench()).code == 0
    said = command(compared.bench(), compared.bench(**changes))
    assert said.code == 1 and named in said.out


def test_equal_moves_of_many_tests_are_shown_once(tmp_path: Path) -> None:
    base = [compared.run(test=f"test_{n}") for n in range(9)]
    head = [compared.slower_and_larger() | {"origin": one["origin"]} for one in base]
    found = compare(*(load(compared.write(tmp_path / n, one)) for n, one in (("b", base), ("h", head))), DEFAULTS)
    text = as_markdown(found)
    assert len(found.pairs) == 9 and text.count("`cycles.layer.conv0`") == 1
    failing = [one | {"passed": False, "bit_exact": False, "first_divergent_layer": "conv0"} for one in head]
    text = as_markdown(compare(load(tmp_path / "b"), load(compared.write(tmp_path / "f", failing)), DEFAULTS))
    assert text.count("bit-exact: conv0") == 1 and "conv0 differs from the reference (and 8 more)" in text


def test_a_comment_and_a_page_bear_any_name(tmp_path: Path) -> None:
    base, head = (compared.run(test="<b>|`x`\n") for _ in range(2))
    head["detections"] = []
    found = compare(*(load(compared.write(tmp_path / n, one)) for n, one in (("b", base), ("h", head))), DEFAULTS)
    assert "<b>|" not in as_markdown(found) and "<b>" not in render(found).replace("<body>", "")


def test_functions_say_which_rule_moved_them() -> None:
    (moved,) = moved_functions(compared.profile(5000, 100), compared.profile(9000, 4000))
    assert (moved.function, moved.change) == ("conv_row", 4000)
    assert moved.rules == (("address-stall", 3900), ("instructions", 100))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 2), st.floats(0, 1e6))
def test_one_of_both_ways_is_always_allowed(base: float, head: float, relative: float, absolute: float) -> None:
    tolerance = Tolerance(relative, absolute)
    assert tolerance.allows(base, head) or tolerance.allows(head, base)


def test_the_first_pattern_holds_and_files_come_before_defaults(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('[tolerance]\n"cycles.layer.a" = "any"\n"cycles.*" = { absolute = 7 }\n')
    patterns = load_tolerances(tmp_path / "t.toml")
    assert [name for name, _ in patterns[:2]] == ["cycles.layer.a", "cycles.*"] and patterns[2:] == DEFAULTS


def test_an_evaluations_figures_are_read_back(tmp_path: Path) -> None:
    task = Task("rnnpool_face_m4", tmp_path / "WIDER", ("float", "integer"))
    of_photos = {"a.jpg": np.zeros((0, 5), np.float32)}
    boxes = Predictions("integer", of_photos, {"a.jpg": 0.5}, {"easy": 0.8, "hard": 0.4})
    classes = Accuracy("float", np.eye(2), np.array([0, 0]), 4.0)
    shares = [Shares.of_boxes(boxes), Shares.of_classes(classes)]
    write_evaluation_json(task, shares, tmp_path / "evaluation.json")
    (document,) = load(tmp_path / "evaluation.json")
    found = {figure.name: figure.value for figure in document.figures}
    assert found["ap.easy.integer"] == 0.8 and found["accuracy.float"] == 0.5
    assert found["host.photos_per_second.integer"] == 2 and str(tmp_path) not in json.dumps(dict(document.content))
