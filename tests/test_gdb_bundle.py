"""`hil debug` on a failure's bundle: GDB sees the crash that was taken home."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli import hil
from compilers import needs
from gdb_client import Debugged
from test_failure_bundle import crashed

from hil.debug import DebugTarget
from hil.failure.again import run_again
from hil.failure.bundle import open_bundle
from hil.firmware.build import build

BOARD = "stm32f407_disco"


@needs(BOARD)
def test_a_bundles_crash_is_seen_by_gdb(tmp_path: Path) -> None:
    bundle = open_bundle(crashed(build("rnnpool_face_m4", BOARD, tmp_path / "out"), tmp_path, "null_call"))
    run = Debugged.of(lambda make: run_again(bundle, make=make))
    client = run.connect()
    assert client.ask("c").startswith("T0b") and "null_call" in client.console
    client.ask("bs")
    assert client.monitor("where").startswith("null_call")
    client.ask("D")
    assert run.end().where == DebugTarget.name
    client.close()


def test_a_photo_is_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = hil(capsys, monkeypatch, "debug", "rnnpool_face_m4")
    assert outcome.code == 2 and "name a photo to run" in outcome.err
