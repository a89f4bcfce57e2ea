"""Files are there whole or not at all, whatever a path leads to, and every complaint is one line."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import run
from other_user import as_another_user

from hil import board
from hil.bench.run import Subject
from hil.commands import outputs
from hil.commands.results import conclude
from hil.errors import HilError
from hil.files import is_standard_output, make_folder, write_bytes, write_text, writing

NEW, OLD = "the new text\n", "the old text\n"
needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system's files")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "run.json", NEW)
    assert (tmp_path / "a" / "b" / "run.json").read_text() == NEW and left(tmp_path / "a" / "b") == ["run.json"]


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(OLD)
    with pytest.raises(HilError, match="cannot write .*No space left"), writing(path) as file:
        file.write(b"half of")
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), writing(path) as file:
        file.write(b"half of")
        raise KeyError
    assert path.read_text() == OLD and left(tmp_path) == ["run.json"]


@pytest.mark.parametrize("name", ["x" * 250, "new\nline", "semi;colon", "back\\slash", 'quo"te', "Ümläut ", "-rf"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, NEW)
    assert left(tmp_path) == [name]


def test_a_name_that_is_too_long_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(HilError, match="cannot write .*too long"):
        write_text(tmp_path / ("x" * 300), NEW)
    assert left(tmp_path) == []


def test_a_folder_in_thousands_of_folders_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HilError, match="too deep"):
        write_text(Path("x/" * 2000 + "run.json"), NEW)
    assert left(tmp_path) == []


def test_a_folder_and_what_is_below_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HilError, match="it is a folder"):
        write_text(tmp_path, NEW)
    (tmp_path / "file").write_text(OLD)
    with pytest.raises(HilError, match="cannot make the folder"):
        write_text(tmp_path / "file" / "run.json", NEW)
    with pytest.raises(HilError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "below")


def test_text_that_is_no_unicode_is_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "odd", os.fsdecode(b"photo\xff.png"))
    assert (tmp_path / "odd").read_text() == "photo\\udcff.png"


@needs_posix
def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "run.json").write_text(OLD)
    link = tmp_path / "link"
    link.symlink_to(Path("real") / "run.json")
    write_text(link, NEW)
    assert link.is_symlink() and (tmp_path / "real" / "run.json").read_text() == NEW
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "later" / "run.json")
    write_text(dangling, NEW)
    assert dangling.is_symlink() and (tmp_path / "later" / "run.json").read_text() == NEW


@needs_posix
def test_a_link_to_a_file_that_is_still_to_come_is_followed(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("runs/2.json")
    assert outputs.file(tmp_path / "latest") == tmp_path / "latest"
    write_text(tmp_path / "latest", NEW)
    assert (tmp_path / "runs" / "2.json").read_text() == NEW and (tmp_path / "latest").is_symlink()


@needs_posix
@pytest.mark.parametrize("act", [outputs.file, lambda path: write_text(path, NEW)])
def test_links_in_a_circle_are_refused(tmp_path: Path, act: Callable[[Path], object]) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(HilError, match="cannot write"):
        act(tmp_path / "a")


@needs_posix
def test_a_files_rights_stay_and_a_new_ones_are_the_users_habit(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_text(OLD)
    path.chmod(0o640)
    write_text(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "fresh", NEW)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640


@needs_posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_into_and_stays(tmp_path: Path) -> None:
    before = os.stat("/dev/full")
    with pytest.raises(HilError, match="cannot write /dev/full: No space left"):
        write_text(Path("/dev/full"), NEW)
    write_text(Path("/dev/null"), NEW)
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write_text(link, NEW)
    for path in ("/dev/full", "/dev/null"):
        assert stat.S_ISCHR(os.stat(path).st_mode)
    assert os.stat("/dev/full").st_rdev == before.st_rdev and link.is_symlink()


@needs_posix
def test_nothing_is_made_among_the_devices() -> None:
    path = Path("/dev/no-such-device-of-hil")
    with pytest.raises(HilError, match="No such file"):
        write_text(path, NEW)
    assert not path.exists()


@needs_posix
def test_no_link_leads_to_a_new_file_among_the_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = tmp_path / "devices"
    devices.mkdir()
    monkeypatch.setattr("hil.files._SYSTEM", (f"{devices}/",))
    (tmp_path / "dangling").symlink_to(devices / "none")
    (tmp_path / "folder").symlink_to(devices)
    for path in (tmp_path / "dangling", tmp_path / "folder" / "none"):
        with pytest.raises(HilError, match="No such file"):
            write_text(path, NEW)
    assert not list(devices.iterdir())


@needs_posix
def test_a_fifo_is_written_into_and_stays(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    write_bytes(fifo, b"through the pipe" * 10_000)
    reader.join()
    assert received == [b"through the pipe" * 10_000] and stat.S_ISFIFO(fifo.stat().st_mode)


@needs_posix
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_standard_output_is_this_processs(tmp_path: Path, name: str) -> None:
    """Also where it is a file: what was printed before stays, and the file's name still leads to it."""
    code = "import sys; from pathlib import Path; from hil.files import write_text\n"
    code += "print('before'); write_text(Path(sys.argv[1]), 'now'); print('after')"
    command = [sys.executable, "-c", code, name]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stdout == "before\nnowafter\n"
    with (tmp_path / "out").open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "out").read_text() == "before\nnowafter\n" and left(tmp_path) == ["out"]


@needs_posix
def test_what_may_not_be_written_is_left_alone(public_folder: Path) -> None:
    path = public_folder / "theirs"
    path.write_text(OLD)
    path.chmod(0o444)
    done = as_another_user("from hil.files import write_text; write_text(Path(sys.argv[1]), 'new')", path)
    assert done == f"cannot write {path}: Permission denied\n"
    assert path.read_text() == OLD and left(public_folder) == ["theirs"]


def test_json_for_a_pipe_has_standard_output_to_itself(capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.commands.results.leave", lambda _: None)
    conclude([Subject(run(), np.zeros((240, 320, 1), np.uint8), {}, board.load("stm32f407_disco"))], Path("-"), None)
    said = capfd.readouterr()
    assert json.loads(said.out)["passed"] and "bit-exact" in said.err


@pytest.mark.parametrize(("name", "is_it"), [("-", True), ("/dev/stdout", True), ("/dev/stderr", False), ("a", False)])
def test_standard_output_is_known(name: str, is_it: bool) -> None:
    assert is_standard_output(Path(name)) is is_it and not is_standard_output(None)
