"""What leaves a bundle: a test, an evaluation; how many there are, and where they cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from compilers import needs

from hil import targets
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure.again import run_again
from hil.failure.bundle import Failure, open_bundle
from hil.failure.leaving import MOST, Leaving
from hil.failure.session import Session
from hil.firmware.build import Firmware, build
from hil.reference.photo import from_array, sample_photo

pytestmark = needs("stm32f407_disco")
TEST = """
def test_it(hil_bench):
    from hil.reference.photo import from_array, sample_photo
    hil_bench.run(from_array(sample_photo(hil_bench.firmware.network.spec)))
    assert not "reached"
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return build("rnnpool_face_m4", "stm32f407_disco", tmp_path_factory.mktemp("firmware") / "out")


def test_a_test_that_fails_leaves_one_and_its_report_names_it(tmp_path: Path, firmware: Firmware) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:robotframework", "--hil-target", "native", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    (left,) = (tmp_path / "build" / "failures").iterdir()
    assert f"hil show build/failures/{left.name}" in done.stdout, done.stdout
    opened = open_bundle(left)
    assert opened.failure == Failure("test", "assert not 'reached'", "test_it.py::test_it[native-stm32f407_disco]")
    assert run_again(opened).is_same


def test_an_evaluation_that_breaks_off_leaves_one(firmware: Firmware, tmp_path: Path, monkeypatch) -> None:
    from hil.evaluation.work import Detecting

    with Bench(firmware, Session(targets.create("sim", firmware.board))) as bench:

        def detect(planes: object) -> object:
            bench.sent = from_array(sample_photo(firmware.network.spec))
            bench.provoke("divide_by_zero")
            raise AssertionError("it survived")

        detecting = Detecting.__new__(Detecting)  # without a network and its photos
        detecting._way, detecting._bench, detecting._leaving = "sim", bench, Leaving(tmp_path)
        monkeypatch.setattr(detecting, "_planes", lambda path: None)
        monkeypatch.setattr(detecting, "_detect", detect, raising=False)
        with pytest.raises(HilError, match=r"0/a\.jpg: firmware: .*; all about it: hil show .*\.hil\.zip"):
            list(detecting.run([("0/a.jpg", tmp_path)]))
    (left,) = tmp_path.iterdir()
    assert "image.png" in open_bundle(left).members


def test_there_are_not_more_than_enough(firmware: Firmware, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hil.failure.leaving.pack", lambda folder, name, *rest: folder / name)
    leaving = Leaving(tmp_path)
    with Bench(firmware, targets.create("sim", firmware.board)) as bench:
        left = [leaving.leave(str(n), bench, Failure("test", "")) for n in range(MOST + 3)]
    assert left[MOST:] == [None] * 3 and len(leaving.left) == MOST


def test_a_folder_that_cannot_be_written_fails_nothing_else(firmware: Firmware, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with Bench(firmware, targets.create("sim", firmware.board)) as bench:
        assert Leaving(tmp_path / "taken").leave("it", bench, Failure("test", "")) is None
