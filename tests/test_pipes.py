"""A pipe in a file's place: what comes out of it is read, and nobody waits for ever for what does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hil import board, files, reading
from hil.elf_file import elf_file
from hil.errors import HilError
from hil.files import write_bytes
from hil.reading import read_bytes, read_lines, read_text
from hil.reference import torch_file
from hil.targets.native import NativeTarget
from hil.targets.recording import Recorder, Recording
from hil.training import people, wider

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs mkfifo()")


def read_elf(path: Path) -> None:
    with elf_file(path):
        pass


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.toml", read_text), ("a.txt", lambda path: list(read_lines(path))), ("a.rec", Recording.load),
        ("firmware.elf", read_elf), ("a.pt", torch_file.read),
        ("wider_face_split/wider_face_val_bbx_gt.txt", lambda path: wider.read_annotations(path.parent.parent, "val")),
        ("annotations/instances_val.json", lambda path: people.read_labels(path.parent.parent, "val")),
    ],
)  # fmt: skip
def test_a_pipe_that_nobody_writes_to_is_given_up(
    tmp_path: Path, name: str, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIPE_S", 0.05)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(HilError) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not torch_file.is_torch(tmp_path / "a.safetensors")


def test_what_a_pipe_says_late_and_in_pieces_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def say() -> None:
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            for _ in range(3):
                pipe.write(bytes(100_000))

    thread = threading.Thread(target=say)
    thread.start()
    assert read_bytes(tmp_path / "pipe") == bytes(300_000)
    thread.join()


def test_a_pipe_that_goes_on_is_too_large_or_too_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HilError, match="more than 1000 bytes"):
        read_bytes(Path("/dev/zero"), most=1000)
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading, "PIPE_S", 0.3)
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)  # somebody holds its other end, and is silent after a byte
    os.write(descriptor, b"x")
    with pytest.raises(HilError, match="has not come to its end within 0.3 s"):
        read_text(tmp_path / "pipe")
    os.close(descriptor)


def test_nobody_waits_for_ever_for_one_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIPE_S", 0.05)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(HilError, match="cannot write .*nobody reads from it"):
        write_bytes(pipe, b"x")
    descriptor = os.open(pipe, os.O_RDWR)  # somebody holds its other end, and does not read
    with pytest.raises(HilError, match="cannot write .*nobody reads from it"):
        write_bytes(pipe, bytes(1_000_000))
    os.close(descriptor)
    with pytest.raises(HilError, match="it is a pipe: name a file"):
        Recorder(NativeTarget(board.load("stm32f407_disco")), pipe)
