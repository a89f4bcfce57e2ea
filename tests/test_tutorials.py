"""The tutorials, each from top to bottom in an empty directory. My network and My board have tests of their own:
test_acceptance_own_network.py, test_my_board.py."""

from __future__ import annotations

import json
import shutil
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from compilers import needs
from doc_blocks import blocks
from shell import run_shell
from stub_firmware import need

from hil.firmware.toolchain import find_toolchain

pytestmark = [needs("stm32f407_disco"), pytest.mark.xdist_group("tutorials")]
NOT_RUN = 'pip() { echo "not run here: pip $*"; }\n'  # the package is installed, and a test fetches nothing


def script(page: str) -> str:
    """All that a page has its reader type, as one shell script. A block with a file's name becomes that file."""
    parts = [NOT_RUN]
    for block in blocks():
        if block.page != f"docs/tutorials/{page}.md":
            continue
        if block.title:
            parts.append(f"cat > {block.title} <<'END'\n{block.code}END\n")
        elif block.language in ("sh", "python"):
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


def test_two_boards(tmp_path: Path) -> None:
    run_shell(f"trap 'kill $(cat served.pids) 2>/dev/null || :' EXIT\n{script('two-boards')}", tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["passed"] is True
    found = ET.parse(tmp_path / "results.xml").findall(".//property[@name='hil_board']")
    assert sorted(str(one.get("value")) for one in found) == ["desk-a", "desk-b"]


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="needs GDB: apt-get install -y gdb-multiarch")
def test_a_bug_found_backwards(tmp_path: Path) -> None:
    if find_toolchain().family != "gcc":
        pytest.skip("clang leaves the constants that the tutorial names out of what GDB knows: needs arm-none-eabi-gcc")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    said = run_shell(script("bug-backwards").replace("3333", port), tmp_path)
    found = (tmp_path / "found.txt").read_text()
    assert "average differs first at row 0, column 0, channel 23" in said
    assert "last0_part" in found and "((uint8_t *)out)[-4] = 0;" in found
    assert json.loads((tmp_path / "wrong.json").read_text())["bit_exact"] is False
    assert json.loads((tmp_path / "right.json").read_text())["passed"] is True


def test_training(tmp_path: Path) -> None:
    said = run_shell(script("train").replace("--minutes 1", "--images 480"), tmp_path)
    assert "60 labelled photos" in said and "integer and native" in said
    assert json.loads((tmp_path / "run.json").read_text())["bit_exact"] is True


def test_a_faster_kernel(tmp_path: Path) -> None:
    said = run_shell(script("faster-kernel"), tmp_path)
    assert "cycles.total" in said and "pool" in said
    fast, plain = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("fast", "plain"))
    assert fast["cycles"]["total"] < plain["cycles"]["total"]
    assert (tmp_path / "fast" / "flamegraph.svg").is_file()
