"""The campaign of mutants through commands: it finds what a command may not do; mutants are the same for a seed."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import fuzz_commands
import mutants
import pytest

from hil.errors import HilError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
RUN = {"schema": 1, "cycles": {"total": 5, "layers": {"conv0": 3}}, "detections": [{"x0": 1.0}]}


def reads(path: Path) -> None:
    """As a command should: a line, and exit code 2."""
    try:
        json.loads(path.read_text())["cycles"]["layers"].items()
    except (ValueError, LookupError, TypeError, AttributeError):
        print("error: it is damaged", file=sys.stderr)
        sys.exit(2)


def trusts(path: Path) -> None:
    json.loads(path.read_text())["cycles"]["layers"]["conv0"] + 1


def echoes(path: Path) -> None:
    print("\x1b[2J")


def says_nothing(path: Path) -> None:
    sys.exit(2)


def leaves(path: Path) -> None:
    (path.parent.parent / "left").touch()


def goes_on(path: Path) -> None:
    while time.monotonic():
        pass


@pytest.mark.parametrize(
    ("command", "said"),
    [(reads, None), (trusts, "a traceback"), (echoes, "control characters"), (says_nothing, "no line of an error"),
     (leaves, "left outside"), (goes_on, "more than 1 s")],
)  # fmt: skip
def test_what_a_command_does_with_a_mutant_is_found(
    command: Callable[[Path], None], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("hil.cli.main", lambda: command(Path.cwd() / sys.argv[1]))
    monkeypatch.setattr(fuzz_commands, "MOST_CPU_S", 1)
    monkeypatch.setattr(fuzz_commands, "KEPT", tmp_path / "kept")
    subject = fuzz_commands.Subject("run.json", mutants.document, (("{}",),))
    monkeypatch.setitem(fuzz_commands.SUBJECTS, "one", subject)
    (tmp_path / "setting").mkdir()
    (tmp_path / "setting" / "run.json").write_text(json.dumps(RUN))
    count = 1 if command is goes_on else 8
    bad = fuzz_commands.campaign("one", tmp_path / "setting", tmp_path / "trial", range(count), seed=1)
    assert (bad > 0) is (said is not None)
    assert (said or "0 did worse") in capsys.readouterr().out
    assert (tmp_path / "kept").exists() is (said is not None)


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("run.json", content)
        archive.writestr("core", bytes(50))
    return file.getvalue()


JSON = json.dumps(RUN).encode()
RECORDED = JSON + b"\n0.0 boot\n0.1 > 00\n"
TENSORS = json.dumps({"__metadata__": {"ranges": json.dumps({"conv0": 1.5})}, "a": {"shape": [1]}}).encode()


@pytest.mark.parametrize(
    ("mutate", "content"),
    [(mutants.changed_bytes, JSON), (mutants.document, JSON), (mutants.text, RECORDED),
     (mutants.compressed(mutants.text), gzip.compress(RECORDED, mtime=0)), (mutants.archive, zipped(JSON)),
     (mutants.safetensors, len(TENSORS).to_bytes(8, "little") + TENSORS + bytes(4))],
)  # fmt: skip
def test_a_mutant_is_another_file_and_the_same_for_its_seed(mutate: mutants.Mutate, content: bytes) -> None:
    made = [mutate(content, random.Random(seed)) for seed in range(60)]
    assert made == [mutate(content, random.Random(seed)) for seed in range(60)]
    assert sum(mutant != content for mutant in made) > 50 and len(set(made)) > 30


def test_a_mutant_of_a_bundle_has_right_checksums() -> None:
    damaged = 0
    for seed in range(100):
        try:
            with zipfile.ZipFile(io.BytesIO(mutants.archive(zipped(JSON), random.Random(seed)))) as archive:
                damaged += archive.testzip() is not None
        except (zipfile.BadZipFile, HilError, OSError, NotImplementedError):
            damaged += 1
    assert damaged < 30
