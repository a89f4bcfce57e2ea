"""The command `hil` in this process: quick, and with its own exit code, output and errors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil import cli


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def hil(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> Outcome:
    """Run `hil ARGUMENTS`; any other exception than its own exit is a failure of the test."""
    monkeypatch.setattr("sys.argv", ["hil", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    capsys.readouterr()
    code = 0
    try:
        cli.main()
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def files_under(folder: Path) -> set[str]:
    """Every file and folder, hidden ones too, to see that nothing was left behind."""
    return {
        os.path.relpath(os.path.join(where, name), folder)
        for where, *found in os.walk(folder)
        for name in sum(found, [])
    }
