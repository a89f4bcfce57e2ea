"""The Robot library: typed keywords with pages, suites that fit, a log that shows what was found, errors that help."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import boxes, run, subject
from PIL import Image

from hil.bench.compare import Divergence
from hil.bench.limits import Measurement
from hil.bench.run import Cycles, Ram

pytest.importorskip("robot", reason="needs Robot Framework: pip install robotframework")

from robot.api import SkipExecution  # noqa: E402
from robot.api import TestSuite as RobotSuite  # noqa: E402
from robot.libdoc import libdoc  # noqa: E402
from robot.libdocpkg import LibraryDocumentation  # noqa: E402

from hil.errors import HilError  # noqa: E402
from hil.robot import HilLibrary, log  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent
SUITES = sorted((REPOSITORY / "robot_tests").glob("*.robot"))
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
KEYWORDS = LibraryDocumentation("hil.robot.HilLibrary").keywords


@pytest.fixture
def library() -> HilLibrary:
    """A library that has just run an image, made up."""
    library = HilLibrary()
    library.stage.subject = subject()
    return library


# -- what the library offers


@pytest.mark.parametrize("keyword", KEYWORDS, ids=lambda keyword: keyword.name)
def test_every_keyword_has_words_and_types(keyword) -> None:
    assert len(keyword.doc.split()) >= 8
    assert all(argument.type for argument in keyword.args), f"{keyword.name}: {keyword.args}"


def test_the_page_of_keywords(tmp_path: Path) -> None:
    libdoc("hil.robot.HilLibrary", str(tmp_path / "keywords.html"), quiet=True)
    page = (tmp_path / "keywords.html").read_text()
    assert all(keyword.name in page for keyword in KEYWORDS)
    assert "STACK_OVERFLOW" in page  # the values of an argument that has few


def test_the_document_names_every_keyword_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "robot.md").read_text()
    named = set(re.findall(r"`([A-Z][a-z]+(?: [A-Z][a-z]+)+)`", text[text.index("## Keywords") :]))
    assert named == {keyword.name for keyword in KEYWORDS}


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_the_suites_use_keywords_as_they_are(suite: Path, tmp_path: Path) -> None:
    result = RobotSuite.from_file_system(suite).run(dryrun=True, output=None, stdout=None, stderr=None)
    assert result.return_code == 0, [(test.name, test.message) for test in result.suite.all_tests if not test.passed]
    assert result.statistics.total.passed >= 3


# -- what judgements say


def failing(judge, *arguments, **more) -> str:
    with pytest.raises(AssertionError) as caught:
        judge(*arguments, **more)
    return str(caught.value)


def test_what_is_as_it_should_be_passes(library: HilLibrary) -> None:
    library.detections_should_match_reference()
    library.box_should_be_found_at(100, 40, 150, 95)
    library.best_score_should_be_above(0.9)
    library.cycles_should_be_below(71_000_001)
    library.cycles_should_be_below(9_100_001, layer="conv0")
    library.stack_high_water_mark_should_be_below(1_201)
    library.heap_high_water_mark_should_be_below(1)
    library.arena_should_be_used_as_planned()
    library.ram_should_be_below(130_201)
    library.measurements_should_keep_their_limits()
    library.no_frame_should_have_been_repeated()


def test_a_divergence_is_named(library: HilLibrary) -> None:
    divergence = Divergence("mob0.project", 3, 7, 2, 10, 11, 5, 100)
    library.stage.subject = subject(bit_exact=False, divergence=divergence)
    message = failing(library.detections_should_match_reference)
    assert str(divergence) in message and "mob0.project" in message


def test_boxes_that_differ_are_named(library: HilLibrary) -> None:
    wrong = run().detections.copy()
    wrong[1, 0] += 1
    library.stage.subject = subject(bit_exact=False, detections=wrong)
    assert "box 1 does not: (21.00, 30.00" in failing(library.detections_should_match_reference)
    library.stage.subject = subject(bit_exact=False, detections=wrong[:0])
    assert "the number of boxes does not: 0, expected 2" in failing(library.detections_should_match_reference)


def test_a_box_that_is_not_there(library: HilLibrary) -> None:
    message = failing(library.box_should_be_found_at, 200, 40, 250, 95)
    assert "at (200, 40, 250, 95)" in message and "the nearest is (100.50, 40.25" in message
    assert "none is that sure" in failing(library.box_should_be_found_at, 100, 40, 150, 95, score=0.99)
    assert "0.93" in failing(library.best_score_should_be_above, 0.95)
    assert "1 boxes score 0.5 or more: (100.50" in failing(library.no_confident_box_should_be_found)
    library.stage.subject = subject(detections=boxes())
    assert "None" in failing(library.best_score_should_be_above, 0.1)
    library.no_confident_box_should_be_found()


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -0.1, 1.5])
def test_a_share_that_is_none_judges_nothing(library: HilLibrary, share: float) -> None:
    library.stage.subject = subject(detections=boxes())
    for judge, name in (
        (library.detections_should_match_float_model, "within"), (library.best_score_should_be_above, "score"),
        (library.no_confident_box_should_be_found, "score"), (library.arena_should_be_used_as_planned, "at_least"),
        (partial(library.box_should_be_found_at, 100, 40, 150, 95), "overlap"),
    ):  # fmt: skip
        with pytest.raises(HilError, match=f"{name} is {share}: expected a number from 0 to 1"):
            judge(**{name: share})


def test_too_many_cycles(library: HilLibrary) -> None:
    message = failing(library.cycles_should_be_below, 71_000_000)
    assert "71 000 000 cycles, limit 71 000 000; most went to rnnpool (41 000 000, 58 %)" in message
    assert "layer conv0 took 9 100 000" in failing(library.cycles_should_be_below, 1, layer="conv0")
    assert "there are conv0, rnnpool" in failing(library.cycles_should_be_below, 1, layer="conv9")


def test_a_figure_that_cannot_be_true_keeps_no_limit(library: HilLibrary) -> None:
    still = Measurement("cycles.implausible", 1, "figure", 0, cause="the device's cycle counter stands still")
    library.stage.subject = subject(measurements=(still, Measurement("ram.stack_used", 4, "byte", 2048, 32)))
    assert "counter stands still" in failing(library.cycles_should_be_below, 300_000_000)
    assert "ram.stack_used is 4 byte, at least 32" in failing(library.stack_high_water_mark_should_be_below, 4096)


def test_too_much_memory(library: HilLibrary) -> None:
    assert "1200 bytes of stack were used, limit 1000" in failing(library.stack_high_water_mark_should_be_below, 1000)
    assert "130 200 bytes of RAM" in failing(library.ram_should_be_below, 1000)
    assert "99 000" in failing(library.arena_should_be_used_as_planned, 0.999)
    ram = Ram(129_000, 100_000, 100_001, 2_100, 2_048, 8, 130_200, {"sram": 80_000, "ccm": 49_000})
    library.stage.subject = subject(ram=ram)
    assert "static bound is 2048" in failing(library.stack_high_water_mark_should_be_below, 4096)
    assert "8 bytes of heap" in failing(library.heap_high_water_mark_should_be_below, 1)
    assert "100 001" in failing(library.arena_should_be_used_as_planned)


def test_a_number_above_its_limit_is_listed(library: HilLibrary) -> None:
    over = (Measurement("cycles.total", 5, "cycle", 4), Measurement("watermarks.disagreement", 40, "byte", 32))
    library.stage.subject = subject(measurements=over)
    assert "cycles.total is 5 cycle, limit 4; watermarks" in failing(library.measurements_should_keep_their_limits)
    assert "differ by 40 bytes, limit 32" in failing(library.watermarks_should_agree)


def test_what_a_target_cannot_know_is_skipped(library: HilLibrary) -> None:
    unknown = Cycles(None, 168_000_000, None, None, None)
    nothing = Ram(None, 100_000, None, None, None, None, None)
    library.stage.subject = subject(target="native", cycles=unknown, ram=nothing, measurements=())
    for judge in (library.cycles_should_be_below, library.stack_high_water_mark_should_be_below,
                  library.heap_high_water_mark_should_be_below, library.ram_should_be_below):  # fmt: skip
        with pytest.raises(SkipExecution, match="TARGET:sim"):
            judge(1)


@pytest.mark.parametrize(
    ("keyword", "name"),
    [
        ("cycles_should_be_below", "cycles.total"),
        ("stack_high_water_mark_should_be_below", "ram.stack_used"),
        ("heap_high_water_mark_should_be_below", "ram.heap_used"),
        ("ram_should_be_below", "ram.total_bytes"),
        ("arena_should_be_used_as_planned", "ram.arena_used"),
        ("watermarks_should_agree", "watermarks.disagreement"),
    ],
)
def test_what_a_target_could_know_and_does_not_fails(library: HilLibrary, keyword: str, name: str) -> None:
    """A board that reports no figure at all: the target is not to blame, so nothing is skipped."""
    lacking = Measurement(name, None, "byte", is_expected=True)
    cycles, ram = Cycles(None, 168_000_000, None, None, None), Ram(None, 100_000, None, None, None, None, None)
    library.stage.subject = subject(cycles=cycles, ram=ram, measurements=(lacking,))
    assert f"{name} was not measured, though this target can" in failing(getattr(library, keyword), 1)


@pytest.mark.parametrize(
    ("keyword", "untrue"),
    [
        ("cycles_should_be_below", Measurement("cycles.off_prediction", 1.67, "times", 1.5)),
        ("ram_should_be_below", Measurement("ram.stack_used", 0, "byte", 2048, 32)),
        ("ram_should_be_below", Measurement("ram.heap_used", 9, "byte", 8)),
        ("ram_should_be_below", Measurement("watermarks.stack_beyond", 8, "byte", 0)),
        ("ram_should_be_below", Measurement("watermarks.heap_beyond", 8, "byte", 0)),
        ("arena_should_be_used_as_planned", Measurement("watermarks.arena_beyond", 25_000, "byte", 0)),
    ],
    ids=lambda one: one.name if isinstance(one, Measurement) else one,
)
def test_a_figure_that_the_run_does_not_believe_is_not_believed_here(
    library: HilLibrary, keyword: str, untrue: Measurement
) -> None:
    library.stage.subject = subject(measurements=(untrue,))
    argument = 0.5 if keyword.startswith("arena") else 10**9
    assert untrue.name in failing(getattr(library, keyword), argument)


def test_nothing_is_judged_before_it_is_there() -> None:
    library = HilLibrary()
    with pytest.raises(HilError, match="`Stream Image` first"):
        library.detections_should_match_reference()
    with pytest.raises(HilError, match="`Boot Board` first"):
        library.corrupt_next_frame()
    assert "`Provoke Crash` first" in failing(library.crash_should_be_in, "main")
    with pytest.raises(HilError, match="no target is called 'moon'"):
        HilLibrary(target="moon").boot_board()


def test_a_crash_elsewhere_is_told_from_the_right_one(library: HilLibrary) -> None:
    from hil.targets.base import TargetFault

    library.stage.crash = TargetFault("bus fault", "x", pc=1, lr=2, sp=3, symbol="conv_row", line="conv.c:42")
    library.crash_should_be_in("conv_row", "conv.c")
    assert "in conv_row (conv.c:42), expected main" in failing(library.crash_should_be_in, "main")
    assert "expected conv_row (fir.c)" in failing(library.crash_should_be_in, "conv_row", "fir.c")


def test_harm_that_did_not_happen_is_noticed(library: HilLibrary) -> None:
    library.stage._line = SimpleNamespace(harmed=1, waiting=1)  # type: ignore[assignment]
    assert "1 frames were harmed and 1 wait" in failing(library.frames_should_have_been_harmed)
    assert "0 frames were repeated" in failing(library.frames_should_have_been_repeated)


# -- what the log shows


def test_the_log_shows_photo_boxes_cycles_memory_and_the_command() -> None:
    html = log.whole(subject())
    assert html.count("<rect") == 3  # the confident box: device, reference, float model
    assert 'href="data:image/png;base64,' in html and ">0.93</text>" in html
    assert "41 000 000" in html and "57.7 %" in html and "timing-model" in html
    assert "line buffers" in html and "<b>CCM</b>" in html and "stack" in html
    assert "again: <code>hil run rnnpool_face_m4 &#x27;photos/a b.png&#x27;" in html


def test_the_log_says_what_is_not_known() -> None:
    unknown = Cycles(None, 168_000_000, None, None, None)
    html = log.whole(subject(target="native", cycles=unknown, ram=Ram(None, 1, None, None, None, None, None)))
    assert "target native cannot count them" in html and "target native has the computer" in html


def test_instructions_are_not_shown_as_cycles_or_time() -> None:
    counted = replace(run().cycles, source="instructions")
    html = log.whole(subject(target="renode", cycles=counted))
    assert ">instructions</th>" in html and "cycles</th>" not in html and " ms<" not in html
    assert "cycles (timing-model" in log.whole(subject()) and " ms<" in log.whole(subject())


def test_names_cannot_break_the_log() -> None:
    html = log.whole(subject(model="<script>alert(1)</script>"))
    assert "<script>" not in html


def test_a_failure_shows_the_whole_run(library: HilLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("hil.robot.judgements.logger.info", lambda text, html=False: shown.append(text))
    failing(library.cycles_should_be_below, 1)
    assert "hil-photo" in shown[0] and "hil-cycles" in shown[0] and "hil-memory" in shown[0]
    shown.clear()
    library.cycles_should_be_below(10**9)
    assert "hil-cycles" in shown[0] and "hil-photo" not in shown[0]


SHOWING = """\
*** Settings ***
Library    showing.py

*** Test Cases ***
Show
    Show A Run
"""
SHOWN = {"device's box": "#1e88ff", "reference's box": "#ffb02e", "layer's bar": "#2a6fdb", "stack": "#c2570c"}


@pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install -y chromium")
def test_a_browser_shows_boxes_bars_and_memories(tmp_path: Path) -> None:
    """By their colours in a picture of the page."""
    (tmp_path / "suite.robot").write_text(SHOWING)
    (tmp_path / "showing.py").write_text(
        f"import sys\nsys.path.insert(0, {str(REPOSITORY / 'tests')!r})\n"
        "from fakes import subject\nfrom robot.api import logger\nfrom hil.robot import log\n"
        "def show_a_run():\n    logger.info(log.whole(subject()), html=True)\n"
    )
    command = [sys.executable, "-m", "robot", "--outputdir", tmp_path, tmp_path / "suite.robot"]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True).returncode == 0
    picture, page = tmp_path / "log.png", f"{(tmp_path / 'log.html').as_uri()}#s1-t1-k1"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,2400", "--virtual-time-budget=9000"]
    subprocess.run([BROWSER, *options, f"--user-data-dir={tmp_path}", f"--screenshot={picture}", page], check=True)
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    for what, colour in SHOWN.items():
        there = (pixels == tuple(bytes.fromhex(colour[1:]))).all(axis=1).sum()
        assert there > 50, f"{what} is not in {picture}"
