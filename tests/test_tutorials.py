"""The tutorials, each from top to bottom in an empty directory. My network and My board have tests of their own:
test_acceptance_own_network.py, test_my_board.py. A faster kernel takes minutes of profiling: its blocks are parsed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compilers import needs
from doc_blocks import blocks
from shell import run_shell
from stub_firmware import need

pytestmark = [needs("stm32f407_disco"), pytest.mark.xdist_group("tutorials")]
NOT_RUN = 'pip() { echo "not run here: pip $*"; }\n'  # the package is installed, and a test fetches nothing


def script(page: str) -> str:
    """All that a page has its reader type, as one shell script."""
    parts = [NOT_RUN]
    for block in blocks():
        if block.page == f"docs/tutorials/{page}.md" and block.language in ("sh", "python"):
            parts.append(block.code if block.language == "sh" else f"python - <<'END'\n{block.code}END\n")
    assert len(parts) > 2
    return "".join(parts)


def test_first_run(tmp_path: Path) -> None:
    said = run_shell(script("first-run"), tmp_path)
    assert "168000000 Hz" in said and "bytes of flash" in said
    native = json.loads((tmp_path / "native.json").read_text())
    on_board = json.loads((tmp_path / "build" / "demo" / "run.json").read_text())
    assert native["cycles"]["total"] is None and native["detections"] == on_board["detections"]


def test_my_checkpoint(tmp_path: Path) -> None:
    need("arm-none-eabi-gcc", "cmake", "ninja")  # by their names: CMake alone does not look into Python's packages
    run_shell(script("my-checkpoint"), tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["passed"] is True
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_gate_in_ci(tmp_path: Path) -> None:
    said = run_shell(script("gate-in-ci"), tmp_path)
    assert "passed" in said and "cycles.total" in (tmp_path / "mine" / "comment.md").read_text()
    assert list((tmp_path / "mine" / "build" / "base").glob("*.json"))
    assert (tmp_path / "mine" / ".github" / "workflows" / "firmware.yml").is_file()


def test_board_on_a_desk(tmp_path: Path) -> None:
    said = run_shell(f"trap 'kill $(cat served.pid) 2>/dev/null || :' EXIT\n{script('board-on-a-desk')}", tmp_path)
    assert "rnnpool_face_m4" in said
    assert (tmp_path / "replay.html").stat().st_size > 50_000
