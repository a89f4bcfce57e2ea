"""A full disk and impossible paths under every option that writes: one line, and nothing half-written stays."""

from __future__ import annotations

import errno
import gzip
import shutil
from pathlib import Path

import pytest
from cli import hil

from hil import board, zoo
from hil.errors import HilError
from hil.evaluation.journal import Journal
from hil.files import reason
from hil.firmware.build import build
from hil.reference import weights
from hil.targets.native import NativeTarget
from hil.targets.recording import Recorder

M4 = "rnnpool_face_m4"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A path whose disk is full: a link to /dev/full."""
    link = tmp_path / "full.safetensors"
    link.symlink_to("/dev/full")
    return link


@needs_full
def test_a_checkpoint(full: Path) -> None:
    with pytest.raises(HilError, match=f"cannot write {full}: No space left on device"):
        weights.save(weights.load(zoo.find(M4)), full)
    assert full.is_symlink() and list(full.parent.iterdir()) == [full]


@needs_full
@pytest.mark.parametrize("command", ["seed", "quantise"])
def test_a_command_that_writes_a_checkpoint(command: str, tmp_path: Path, capsys, monkeypatch) -> None:
    """Below a file, where no folder can be."""
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "below.safetensors"
    monkeypatch.setattr("hil.checkpoints.seeding.settle", lambda *_: None)
    monkeypatch.setattr("hil.checkpoints.seeding.calibration", lambda *_: {})
    monkeypatch.setattr("hil.checkpoints.calibration.calibration", lambda *_: {}, raising=False)
    photos = tmp_path / "photos"
    photos.mkdir()
    more = ("--images", photos) if command == "quantise" else ("--count", "1")
    shutil.copy(Path(__file__).parents[1] / "hil" / "zoo" / f"{M4}.png", photos / "photo.png")
    outcome = hil(capsys, monkeypatch, command, M4, *more, "--out", out)
    assert (
        outcome.code == 2
        and f"error: cannot write {out}: Not a directory" in outcome.err
        and "Traceback" not in outcome.err
    )


@needs_full
def test_a_recording(full: Path) -> None:
    with pytest.raises(HilError, match=f"cannot write the recording {full}: No space left"):
        Recorder(NativeTarget(board.load("stm32f407_disco")), full)


def test_a_recording_that_fails_half_way_goes(tmp_path: Path) -> None:
    path = tmp_path / "session.rec"
    recorder = Recorder(NativeTarget(board.load("stm32f407_disco")), path)

    class Full:
        def write(self, _: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    recorder._file = Full()  # type: ignore[assignment]
    with pytest.raises(HilError, match="cannot write the recording"):
        recorder.write(b"x")
    assert not path.exists()


def test_a_compressed_recording_is_whole_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "session.rec.gz"
    Recorder(NativeTarget(board.load("stm32f407_disco")), path).close()
    assert gzip.decompress(path.read_bytes()).startswith(b"{")


def test_a_journal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HilError, match="cannot make the folder"), Journal(tmp_path / "file" / "journal", {}):
        pass


@pytest.mark.parametrize("place", ["file/below", "x" * 300])
def test_a_build_below_a_file_or_under_an_impossible_name(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HilError, match="cannot (write|make the folder)"):
        build(M4, "stm32f407_disco", tmp_path / place, "native")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("function", ["copyfile", "move"])
def test_a_build_on_a_full_disk(function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device")])

    monkeypatch.setattr(shutil, function, fail)
    with pytest.raises(HilError, match="cannot write .*No space left on device"):
        build(M4, "stm32f407_disco", tmp_path / "out", "native")
    assert list(tmp_path.iterdir()) == []


def test_a_demo_into_a_file(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "file").touch()
    outcome = hil(capsys, monkeypatch, "demo", "--out", tmp_path / "file")
    assert outcome.code == 2 and f"error: cannot write {tmp_path / 'file'}" in outcome.err


def test_what_nobody_foresaw_is_a_line_too(capsys, monkeypatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error", "/mnt/stick/photo.png")

    monkeypatch.setattr("hil.commands.doctor.examine", fail)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert (outcome.code, outcome.err) == (2, "error: /mnt/stick/photo.png: Input/output error\n")


def test_too_little_memory_is_a_line_too(capsys, monkeypatch) -> None:
    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr("hil.commands.doctor.examine", fail)
    outcome = hil(capsys, monkeypatch, "doctor")
    assert outcome.code == 2 and outcome.err.startswith("error: there is not enough memory")


def test_folders_in_folders_without_end_are_a_line_too(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = hil(capsys, monkeypatch, "new-network", "x/" * 2000)
    assert outcome.code == 2 and outcome.err.startswith("error: ") and "deep" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("error", [OSError("odd"), OSError(), shutil.Error([]), shutil.Error([("a", "b", "why")])])
def test_every_error_has_a_reason(error: OSError) -> None:
    assert reason(error) in ("odd", "OSError", "[]", "Error", "why")
