"""What `hil init` lays down for VS Code names the firmware that `hil debug` builds."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hil import board
from hil.project.layout import lay_down


def test_the_launch_file_is_json_and_names_the_firmware(tmp_path: Path) -> None:
    lay_down(tmp_path, "rnnpool_face_m4", board.load("stm32f407_disco"))
    text = (tmp_path / ".vscode" / "launch.json").read_text()
    (launch,) = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))["configurations"]
    assert launch["program"].endswith("build/rnnpool_face_m4/stm32f407_disco/out/stm32f407_disco/firmware.elf")
    assert launch["miDebuggerServerAddress"] == "127.0.0.1:3333" and "hil debug rnnpool_face_m4 photos/" in text
