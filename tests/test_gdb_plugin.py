"""`pytest --hil-gdb`: a session that waits where the firmware crashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import stub_firmware
from board_programs import DISCO
from gdb_client import GdbClient, until_it_waits

pytest_plugins = ["pytester"]

SESSION = """
from pathlib import Path
import pytest
from hil.link import Client, DeviceFault

def test_crash(hil_target):
    hil_target.boot(Path(ELF))
    with pytest.raises(DeviceFault, match="Thumb bit"):
        Client(hil_target).provoke("null_call")
"""


def test_a_session_waits_for_gdb_at_a_crash(tmp_path: Path) -> None:
    elf = stub_firmware.build(DISCO.name, tmp_path / DISCO.name)
    (tmp_path / "test_it.py").write_text(SESSION.replace("ELF", repr(str(elf))))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hil-gdb", "0", "test_it.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        said, port = until_it_waits(session)
        assert "call through a null pointer in null_call" in said
        client = GdbClient(port)
        assert client.ask("?").startswith("T0b")
        client.ask("D")
        rest = session.stdout.read()
        client.close()
    assert session.returncode == 0 and "1 passed" in rest, rest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hil-gdb", "x"), "give a port"),
        (("--hil-gdb", "70000"), "give a port"),
        (("--hil-gdb", "0", "-n", "2"), "leave -n out"),
    ],
)
def test_bad_options_are_named(pytester: pytest.Pytester, options: tuple[str, ...], message: str) -> None:
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
