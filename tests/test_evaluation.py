"""`hil evaluate`: worker processes, results that survive an interruption, disagreement, and the report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cli import hil
from test_compiler_c import needs_gcc

from hil.errors import HilError
from hil.evaluation import run as evaluation
from hil.evaluation.journal import Journal, Mistakes, Predictions, disagreement, disagreements, mistakes
from hil.evaluation.multiscale import _views, multi_scale_detector, vote
from hil.evaluation.official import GroundTruth
from hil.evaluation.run import Task, evaluate_model
from hil.reference.networks import build
from hil.report.evaluation_html import render, worst_photos

M4 = "rnnpool_face_m4"
FACE = np.array([[10, 10, 50, 60, 0.9]], np.float32)


def moved(pixels: float, score: float = 0.9) -> np.ndarray:
    return FACE + np.array([pixels, 0, pixels, 0, score - 0.9], np.float32)


def test_what_counts_as_disagreement() -> None:
    same = disagreement("a", FACE, FACE.copy())
    assert (same.differing, same.unmatched, same.score) == (0, 0, 0.0)
    assert disagreement("a", FACE, moved(1e-4)).differing == 1
    assert disagreement("a", FACE, moved(2, 0.7)).score == pytest.approx(0.2)
    assert disagreement("a", FACE, moved(100)).unmatched == 2
    assert disagreement("a", FACE, np.zeros((0, 5), np.float32)).unmatched == 1


def test_the_worst_photo_comes_first() -> None:
    photos = {"fine": FACE, "lost": FACE, "paler": FACE}
    others = {"fine": FACE, "lost": moved(100), "paler": moved(0, 0.6)}
    one, other = (Predictions(way, boxes, dict.fromkeys(boxes, 0.1), {}) for way, boxes in
                  (("float", photos), ("integer", others)))  # fmt: skip
    assert [d.photo for d in disagreements(one, other)] == ["lost", "paler", "fine"]
    assert worst_photos([one, other]) == ["lost", "paler"]
    assert one.per_second == pytest.approx(10)


def test_a_journal_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with Journal(path, {"way": "float"}) as journal:
        journal.add("a.jpg", moved(1 / 3), 0.5)
        journal.add("b.jpg", np.zeros((0, 5), np.float32), 0.25)
    path.write_text(path.read_text()[:-20])
    with Journal(path, {"way": "float"}) as again:
        assert list(again.boxes) == ["a.jpg"] and again.seconds == {"a.jpg": 0.5}
        assert np.array_equal(again.boxes["a.jpg"].view(np.uint32), moved(1 / 3).view(np.uint32)), "every bit is kept"
        again.add("b.jpg", FACE, 1)
    assert len(path.read_text().splitlines()) == 3
    with Journal(path, {"way": "native"}) as other:
        assert other.boxes == {}, "another firmware's results do not count"


def test_results_of_another_firmware_do_not_count(tmp_path: Path) -> None:
    task = Task(M4, tmp_path, store=tmp_path)
    built = SimpleNamespace(build_id="0123456789abcdef", elf_hash="ab" * 16)
    with evaluation._journal(task, "native", built) as journal:
        journal.add("a.jpg", moved(0), 0.5)
    for same, other in ((1, built), (0, SimpleNamespace(build_id=built.build_id, elf_hash="cd" * 16))):
        with evaluation._journal(task, "native", other) as journal:
            assert len(journal.boxes) == same


def test_results_of_edited_sources_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit's name with "-dirty" is the same before and after an edit."""
    (tmp_path / "hil").mkdir()
    source, task = tmp_path / "hil" / "decode.py", Task(M4, tmp_path, store=tmp_path)
    source.write_text("a = 1")
    monkeypatch.setattr("hil.version.files", lambda package: tmp_path / package)
    for named, kept in (("a5b50e0f21-dirty", 0), ("", 0), ("a5b50e0f21", 1)):
        monkeypatch.setattr("hil.version.commit", lambda named=named: named)
        for text, there in (("a = 1", 0), ("a = 1", 1), ("a = 2", kept)):
            source.write_text(text)
            with evaluation._journal(task, "integer", None) as journal:
                assert len(journal.boxes) == there, (named, text)
                journal.add("a.jpg", moved(0), 0.5)


def test_results_of_an_edited_network_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = [("net.py", b"a = 1")]
    monkeypatch.setattr("hil.reference.weights.code_of", lambda path: code[0])
    task = Task(M4, tmp_path, store=tmp_path)
    with evaluation._journal(task, "integer", None) as journal:
        journal.add("a.jpg", moved(0), 0.5)
    code[0] = ("net.py", b"a = 2")
    with evaluation._journal(task, "integer", None) as journal:
        assert not journal.boxes


@pytest.mark.parametrize(("ways", "code"), [("integer,native", 1), ("native,sim", 1), ("float,native", 0)])
def test_a_bit_between_integer_and_a_target_fails(
    ways: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Floating point may differ, they may not."""

    def found(task: Task, step: object) -> list[Predictions]:
        boxes = ({"a.jpg": FACE, "b.jpg": moved(shift)} for shift in (0, 1e-4))
        precision = {"easy": 0.5, "medium": 0.5, "hard": 0.5}
        return [
            Predictions(way, of_way, dict.fromkeys(of_way, 0.1), precision)
            for way, of_way in zip(task.ways, boxes, strict=True)
        ]

    monkeypatch.setattr(evaluation, "evaluate_model", found)
    for more in ((), ("--shard", "1/2")):
        said = hil(capsys, monkeypatch, "evaluate", M4, "--data", "WIDER", "-t", ways, *more)
        assert said.code == code, said.err
        named = f"{ways.replace(',', ' and ')} differ on 1 of 2 photos, b.jpg first: they must agree bit by bit"
        assert (named in said.err) == bool(code)


@needs_gcc
def test_ways_are_compared_and_an_interrupted_evaluation_goes_on(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(M4, shared_data / "faces", ("integer", "native"), jobs=2, limit=4, store=tmp_path)
    steps: list[float] = []
    integer, native = evaluate_model(task, lambda what, done: steps.append(done))
    assert list(integer.boxes) == list(native.boxes) and len(integer.boxes) == 4 and max(steps) == 1
    assert all(d.differing == 0 for d in disagreements(integer, native))
    assert integer.precision == native.precision
    html = render(task, [integer, native])
    assert "0 of 4 photos" in html and "all ways agree" in html
    assert html.count("<figure>") == 4 and 'class="face"' in html, "and the photos beside their annotated faces"

    journal = next(tmp_path.glob("*integer*.jsonl"))
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:3]) + "\n")
    asked: list[list[str]] = []
    detect = evaluation._detect
    monkeypatch.setattr(evaluation, "_detect", lambda *a: (asked.append(list(a[3])), detect(*a))[1])
    (resumed, _) = evaluate_model(task)
    assert len(asked) == 1 and len(asked[0]) == 2, "two photos of one way were missing"
    assert all(np.array_equal(resumed.boxes[name], integer.boxes[name]) for name in integer.boxes)
    known = {json.loads(line)["photo"] for line in lines[1:3]}
    assert not known & set(asked[0])


def test_mistakes_are_faces_without_a_box_and_boxes_without_a_face() -> None:
    faces = np.array([[10, 10, 50, 60], [100, 100, 140, 150], [200, 10, 240, 60], [300, 10, 304, 14]], np.float64)
    truth = GroundTruth(["a", "b"], [faces, faces[:0]], {"medium": [np.array([True] * 3 + [False]), np.zeros(0, bool)]})
    boxes = np.concatenate([FACE, FACE + [[2, 2, 2, 2, -0.2]], moved(400), FACE + [[90, 90, 90, 90, -0.6]]])
    one = Predictions("float", {"b": FACE, "a": boxes.astype(np.float32)}, {}, {})
    assert mistakes(one, truth) == [Mistakes("a", missed=2, false_alarms=1, faces=3), Mistakes("b", 0, 1, 0)]


@needs_gcc
def test_a_killed_evaluation_goes_on_and_leaves_no_process_behind(shared_data: Path, tmp_path: Path) -> None:
    """Its workers hold its output open: that the output ends shows that they do."""
    program = f"""
import os, signal
from pathlib import Path
from hil.evaluation.run import Task, evaluate_model
def step(what, done):
    if done > 0.2:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    data, store = Path({str(shared_data / "faces")!r}), Path({str(tmp_path)!r})
    evaluate_model(Task({M4!r}, data, ("native",), jobs=2, limit=8, store=store), step)
"""
    (tmp_path / "killed.py").write_text(program)
    killed = subprocess.run([sys.executable, tmp_path / "killed.py"], capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    kept = [json.loads(line)["photo"] for line in next(tmp_path.glob("*.jsonl")).read_text().splitlines()[1:]]
    assert len(kept) == 2
    (found,) = evaluate_model(Task(M4, shared_data / "faces", ("native",), limit=8, store=tmp_path))
    assert len(found.boxes) == 8 and list(found.precision) == ["easy", "medium", "hard"]
    lines = next(tmp_path.glob("*.jsonl")).read_text().splitlines()[1:]
    assert [json.loads(line)["photo"] for line in lines[:2]] == kept and len(lines) == 8, "what was there stayed"


def test_a_photo_that_is_missing_is_named(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "ground_truth").symlink_to(shared_data / "faces" / "ground_truth")
    with pytest.raises(HilError, match=r"--.*\.jpg does not exist") as caught:
        evaluate_model(Task(M4, tmp_path, ("float",), limit=1, store=tmp_path / "store"))
    assert "\n" not in str(caught.value)


def test_bad_wishes_are_refused(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "faces"
    with pytest.raises(HilError, match="nothing evaluates as 'qemu'"):
        evaluate_model(Task(M4, data, ("float", "qemu")))
    with pytest.raises(HilError, match="native takes photos of one size"):
        evaluate_model(Task(M4, data, ("native",), is_multi_scale=True))
    with pytest.raises(HilError, match="no board is called"):
        evaluate_model(Task(M4, data, board="uno"))


def test_a_vote_is_the_mean_by_score_and_drops_what_stands_alone() -> None:
    pair = np.array([[10, 10, 50, 50, 0.9], [14, 10, 54, 50, 0.3]], np.float32)
    alone = np.array([[200, 200, 230, 230, 0.99]], np.float32)
    assert vote(np.concatenate([pair, alone])) == pytest.approx(np.array([[11, 10, 51, 50, 0.9]]))
    assert vote(np.zeros((0, 5), np.float32)).shape == (0, 5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1024, 768), [1, 1, 0.5, 1.61]), ((640, 480), [1, 1, 0.5, 2, 2.58]), ((3000, 2000), [0.58, 0.58, 0.29, 0.44])],
)
def test_scales_follow_the_photo(size: tuple[int, int], expected: list[float]) -> None:
    views = list(_views(size[0] * size[1]))
    assert [scale for scale, _, _ in views] == pytest.approx(expected, abs=0.01)
    assert [mirrored for _, mirrored, _ in views] == [False, True, *[False] * (len(views) - 2)]


def test_a_mirrored_photo_has_mirrored_faces_and_odd_sizes_work() -> None:
    torch.manual_seed(0)
    network = build(M4)
    with torch.no_grad():
        for head in network.conf:
            head.bias[-1] += 1.5
    photo = np.random.default_rng(0).integers(0, 256, (1, 123, 217), np.uint8)
    detect = multi_scale_detector(network)
    boxes, mirrored = detect(photo), detect(np.ascontiguousarray(photo[:, :, ::-1]))
    assert len(boxes) > 0 and boxes[:, 4].min() > 0.05
    assert abs(len(boxes) - len(mirrored)) <= 0.2 * len(boxes)
