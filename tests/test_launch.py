"""What `hil init` lays down for VS Code names the firmware that `hil debug` builds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from hil import board
from hil.firmware.programs import MissingToolError
from hil.project import layout
from hil.project.layout import lay_down


@pytest.mark.parametrize(
    ("family", "folder"), [("gcc", "stm32f407_disco"), ("zig", "stm32f407_disco-zig"), (None, "stm32f407_disco")]
)
def test_the_launch_file_is_json_and_names_the_firmware(tmp_path: Path, monkeypatch, family, folder) -> None:
    def found() -> SimpleNamespace:
        if family is None:
            raise MissingToolError("none")
        return SimpleNamespace(family=family)

    monkeypatch.setattr(layout, "find_toolchain", found)
    lay_down(tmp_path, "rnnpool_face_m4", board.load("stm32f407_disco"))
    text = (tmp_path / ".vscode" / "launch.json").read_text()
    (launch,) = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))["configurations"]
    assert launch["program"].endswith(f"build/rnnpool_face_m4/stm32f407_disco/out/{folder}/firmware.elf")
    assert launch["miDebuggerServerAddress"] == "127.0.0.1:3333" and "hil debug rnnpool_face_m4 photos/" in text
