"""docs/my-board.md, from top to bottom in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli import hil
from PIL import Image
from skimage import data
from stub_firmware import REPOSITORY, need

STEPS = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / "my-board.md").read_text(), re.DOTALL)


@pytest.mark.xdist_group("my-board")
def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need("cmake", "arm-none-eabi-gcc")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIL_BOARDS", raising=False)
    Image.fromarray(data.astronaut()).save("photo.jpg")
    commands = [line for step in STEPS for line in step.splitlines()]
    assert [line.split()[1] for line in commands if line.startswith("hil ")] == [
        "new-board",
        "plan",
        "build",
        "run",
        "run",
    ]
    for line in commands:
        if line == "export HIL_BOARDS=$PWD":
            monkeypatch.setenv("HIL_BOARDS", str(tmp_path))
            continue
        done = hil(capsys, monkeypatch, *line.split()[1:])
        assert done.code == 0, f"{line}: {done.err}"
