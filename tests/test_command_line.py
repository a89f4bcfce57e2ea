"""What is common to all commands of `hil`: how it starts, where it may write, how it ends."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import cli
import doc_blocks  # noqa: F401  its path to docs/, for from_code
import fakes
import pytest
from rich.console import Console

from hil import board
from hil.bench.classify import Classification
from hil.bench.limits import Measurement
from hil.errors import HilError
from hil.link import DeviceFault, LinkError, LinkTimeout
from hil.link.fault import FaultReport
from hil.report.terminal import verdicts
from hil.targets.base import TargetError, TargetFault, TargetLostError
from hil.targets.connection import Connection
from hil.targets.pseudo_terminal import PseudoTerminal
from hil.targets.serial import SerialTarget

REPOSITORY = Path(__file__).resolve().parent.parent
SHOW_MODULES = (
    "import atexit, runpy, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    "sys.argv = ['hil', *sys.argv[1:]]; runpy.run_module('hil', run_name='__main__')"
)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True
    )


# -- how it starts


def test_every_command_and_option_says_what_it_is() -> None:
    from from_code.commands import commands

    silent = [
        f"{name} {parameter.name}"
        for name, command in commands().items()
        for parameter in (command, *command.params)
        if not (parameter.help or "").strip()
    ]
    assert silent == []


def test_it_runs_as_a_module() -> None:
    done = python("-m", "hil", "--help")
    assert done.returncode == 0 and "Usage: hil" in done.stdout and "init" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    loaded = set(python("-c", SHOW_MODULES, "--help").stderr.split())
    assert "hil.cli" in loaded
    assert not loaded & {"numpy", "torch", "numba", "unicorn", "jinja2", "rich.table", "rich.markdown", "hil.targets"}


def test_a_plan_that_is_kept_is_shown_without_torch() -> None:
    """Which takes seconds to import; the first call, that compiles the network, keeps the plan."""
    for _ in range(2):
        done = python("-c", SHOW_MODULES, "plan", "rnnpool_face_m4")
        assert done.returncode == 0 and "arena" in done.stdout
    assert not set(done.stderr.split()) & {"torch", "unicorn"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [("hil ini", "init"), ("hil run --target na", "native"), ("hil build --board stm32f42", "429")],
)
def test_a_shell_completes_commands_and_names(words: str, expected: str) -> None:
    asked = {"_HIL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = python("-m", "hil", **asked)
    assert expected in done.stdout, done.stderr


# -- where it may write

COMMANDS = {
    "--json": ["run", "rnnpool_face_m4", "photo.png"],
    "--report": ["run", "rnnpool_face_m4", "photo.png"],
    "--record": ["run", "rnnpool_face_m4", "photo.png"],
}
FOLDERS = {
    "build --out": ["build", "rnnpool_face_m4", "--out"],
    "run --out": ["run", "rnnpool_face_m4", "photo.png", "--out"],
    "demo --out": ["demo", "--out"],
    "profile --out": ["profile", "rnnpool_face_m4", "photo.png", "--out"],
    "train --out": ["train", "rnnpool_face_m4", "--data", ".", "--out"],
    "evaluate --store": ["evaluate", "rnnpool_face_m4", "--data", ".", "--store"],
}
FILES = {f"{command[0]} {option}": [*command, option] for option, command in COMMANDS.items()} | {
    "replay --json": ["replay", "session", "--json"],
    "bench --json": ["bench", "--json"],
    "calibrate --json": ["calibrate", "--json"],
    "serve --record": ["serve", "--record"],
    "seed --out": ["seed", "rnnpool_face_m4", "--out"],
    "quantise --out": ["quantise", "rnnpool_face_m4", "--images", ".", "--out"],
    "import edgeml --out": ["import", "edgeml", "x.pth", "--model", "rnnpool_face_m4", "--out"],
}


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model is read: whatever is refused, is refused before."""

    def started(*_: object, **__: object) -> None:
        pytest.fail("the command began its work")

    for what in ("zoo.find", "board.load", "reference.catalogue.build", "files.make_folder"):
        monkeypatch.setattr(f"hil.{what}", started)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("arguments", FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_written_is_found_first(
    capsys, monkeypatch, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    before = cli.files_under(tmp_path)
    refused = {
        tmp_path: "it is a folder",
        tmp_path / "file" / "x": "Not a directory",
        tmp_path / ("x" * 300): "too long",
    }
    for path, reason in refused.items():
        outcome = cli.hil(capsys, monkeypatch, *arguments, path)
        assert outcome.code == 2 and f"cannot write {path}: " in outcome.err and reason in outcome.err
    assert cli.files_under(tmp_path) == before


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("arguments", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_cannot_be_written_is_found_first(capsys, monkeypatch, tmp_path, arguments: list[str]) -> None:
    (tmp_path / "file").write_text("")
    before = cli.files_under(tmp_path)
    for path in (tmp_path / "file", tmp_path / "file" / "x"):
        outcome = cli.hil(capsys, monkeypatch, *arguments, path)
        assert outcome.code == 2 and f"cannot write {path}: Not a directory" in outcome.err
    assert cli.files_under(tmp_path) == before


# -- how it ends

FAULT = TargetFault("bus fault", "x", pc=1, lr=2, sp=3, symbol="conv_row")
REPORT = FaultReport(*([0] * len(FaultReport.__dataclass_fields__)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HilError("bad input"), 2),
        (TargetError("no such port"), 2),
        (TargetLostError("the port is gone"), 1),
        (LinkTimeout("no answer"), 1),
        (LinkError("nonsense came"), 1),
        (FAULT, 1),
        (DeviceFault(REPORT), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_exit_codes(capsys, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("hil.bench.batch.run_job", fail)
    outcome = cli.hil(capsys, monkeypatch, "run", "rnnpool_face_m4", "photo.png")
    assert outcome.code == code and "Traceback" not in outcome.err


def test_a_board_that_is_unplugged_is_lost(tmp_path: Path) -> None:
    target = SerialTarget(board.load("stm32f407_disco"), Connection.parse(str(tmp_path / "port")))
    with target:
        with PseudoTerminal(tmp_path / "port"):
            target.open()
        with pytest.raises(TargetLostError, match="is gone"):
            for _ in range(10):
                target.write(b"x" * 4096)
                target.read(0.01)


# -- what it shows of several images


def shown(*runs: fakes.Run, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(verdicts(runs))
    return captured.get()


def test_names_of_images_are_not_wrapped_on_a_narrow_terminal() -> None:
    name = "a_family_at_the_sea.jpg"
    image = fakes.ImageFacts(f"photos/{name}", "ab" * 32, 320, 240)
    text = shown(fakes.run(image=image), fakes.run())
    assert name in text and "71 000 000" in text.replace("\N{NO-BREAK SPACE}", " ") and "0.930" in text
    assert len([line for line in text.splitlines() if "passed" in line]) == 2
    assert len([line for line in text.splitlines() if line.strip()]) == 5  # title, headings, a line, one for each image


def test_frames_that_were_repeated_are_shown_and_the_name_still_whole() -> None:
    text = shown(fakes.run(link=fakes.LinkCounts(5_000, 80_000, 17)), fakes.run())
    assert "repeated" in text and " 17" in text and "a b.png" in text


def test_a_classifiers_class_is_shown() -> None:
    person = Classification(("nobody", "person"), (0.5, 1.5), (0.5, 1.5), (0.4, 1.6))
    text = shown(*(fakes.run(classification=person, detections=fakes.boxes()) for _ in range(2)))
    assert text.count("person") == 2 and "boxes" not in text


def test_why_an_image_failed_and_what_was_not_measured_stand_below() -> None:
    slow = fakes.run(
        measurements=(Measurement("cycles.total", 99, "cycle", 50), Measurement("ram.heap_used", None, "byte", 0))
    )
    mended = fakes.run(firmware=fakes.FirmwareFacts("0123456789abcdef", 190_000, changed=("weights.c",)))
    text = shown(slow, mended, width=200)
    assert "a b.png: cycles.total is 99 cycle, limit 50" in text and text.count("a b.png: ") == 1
    assert "changed by hand, and built as they are: weights.c" in text
    assert "not measured here: ram.heap_used" in text


def test_classes_are_compared_by_their_numbers_and_no_number_is_no_logit() -> None:
    found = Classification(("x", "x"), (0.5, 1.5), (0.5, 1.5), (1.6, 0.4))
    assert found.predicted == found.float_predicted and found.differs
    assert math.isnan(Classification(("a", "b"), (0.5, 1.5), (0.5, 1.5), (0.4, math.nan)).distance_to_float)


@pytest.mark.parametrize("command", [("run", "rnnpool_face_m4", "photo.png"), ("demo",)])
def test_an_unknown_timing_mode_lists_them_all(capsys, monkeypatch, tmp_path: Path, command: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli.hil(capsys, monkeypatch, *command, "--timing", "x")
    assert outcome.code == 2 and "choose one of fast, full, both" in outcome.err


WARNING = """
import multiprocessing, sys, warnings
from hil import cli
from hil.reference import paper

def entries():
    warnings.warn("beware of this")
    worker = multiprocessing.get_context("spawn").Process(target=warnings.warn, args=("beware of that",))
    worker.start()
    worker.join()
    return []

if __name__ == "__main__":
    paper.entries = entries
    sys.argv = ["hil", "models"]
    cli.main()
"""


def test_libraries_warn_nobody_who_uses_the_command(tmp_path: Path) -> None:
    """Neither here nor in worker processes; who wants to see it can."""
    script = tmp_path / "warning.py"
    script.write_text(WARNING)
    here = {"PYTHONPATH": str(REPOSITORY)}
    assert "beware" not in python(str(script), **here).stderr
    shown = python("-W", "always", str(script), **here).stderr
    assert "beware of this" in shown and "beware of that" in shown
