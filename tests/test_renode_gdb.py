"""Renode's own GDB server at a board: it waits before the first instruction, or where the firmware crashes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from board_programs import DISCO, program
from cli import hil
from gdb_client import PATIENCE_S, Debugged, GdbClient, until_it_waits

from hil.errors import HilError
from hil.targets import TargetFault, create
from hil.targets.base import Target
from hil.targets.pyrenode.gdb import Gdb
from hil.targets.symbols import symbols

pytestmark = pytest.mark.xdist_group("renode")
WILD_READ, UNDEFINED = 9, 11  # of the table in tests/firmware/crashes.c


class OnRenode(Debugged):
    """A firmware in Renode under GDB, with the host's part in a thread of its own."""

    def __init__(self, elf: Path, host: Callable[[Any], Any], waits: Any = "start", **options: Any) -> None:
        def boot_and_run(_: Any) -> Any:
            with create("renode", DISCO, gdb=Gdb(self._said.put, 0, waits), **options) as target:
                target.boot(elf)
                return host(target)

        self._start(boot_and_run)


def talk(target: Target) -> bytes:
    return target.read(0.1)


def crash(target: Target, number: int) -> TargetFault:
    target.read(0.1)
    target.write(bytes([number]))
    with pytest.raises(TargetFault) as caught:
        target.read(1)
    return caught.value


def crash_by_wild_read(target: Target) -> TargetFault:
    return crash(target, WILD_READ)


@pytest.mark.usefixtures("renode_here")
def test_it_halts_at_breakpoints_and_steps_and_the_firmware_answers_as_ever() -> None:
    elf = program("crashes")
    main = (symbols(elf).address("main_program") or 0) & ~1
    assert main
    run = OnRenode(elf, talk)
    client = run.connect()
    assert client.ask(f"Z1,{main:x},2") == "OK"
    assert client.ask("c").startswith(("S05", "T05"))
    assert client.pc == main
    assert client.ask("s").startswith(("S05", "T05"))
    assert main < client.pc <= main + 4
    assert client.ask(f"z1,{main:x},2") == "OK"
    client.ask("D")
    client.close()
    assert run.end()[:3] == b"\x00\x70\x00"


@pytest.mark.usefixtures("renode_here")
def test_gdb_is_shown_the_instruction_that_crashes_before_the_run_ends() -> None:
    elf = program("crashes")
    run = OnRenode(elf, crash_by_wild_read)
    client = run.connect()
    assert client.ask("c").startswith(("S05", "T05"))
    shown = client.pc
    assert symbols(elf).function(shown) == "crash_by_wild_read"
    client.send("c")  # the instruction again, which now ends the run
    fault = run.end()
    client.close()
    assert (fault.kind, fault.pc) == ("read of unmapped memory", shown)


@pytest.mark.usefixtures("renode_here")
@pytest.mark.parametrize(
    ("number", "said"),
    [(WILD_READ, "read of unmapped memory in crash_by_wild_read"), (UNDEFINED, "beginning of usage_fault_handler")],
)
def test_a_board_that_waits_for_a_fault_says_which(number: int, said: str) -> None:
    def host(target: Target) -> TargetFault:
        return crash(target, number)

    run = OnRenode(program("crashes"), host, waits="fault", runaway_s=0.1)
    text = run._said.get(timeout=PATIENCE_S)
    assert said in text
    client = GdbClient(int(text.partition("127.0.0.1:")[2].partition("'")[0]))
    assert client.ask("?").startswith("S")
    client.ask("D")
    client.close()
    assert run.end().symbol in ("crash_by_wild_read", "crash_by_undefined")


@pytest.mark.usefixtures("renode_here")
def test_the_server_is_reached_from_this_machine_alone_and_a_port_that_is_taken_is_said() -> None:
    with create("renode", DISCO, gdb=Gdb(print, 0, "fault")) as target:
        target.boot(program("crashes"))
        port = target.machine.renode.call("gdb_port")
        listening = re.findall(rf"^ *\d+: (\w+):{port:04X} \S+ 0A ", Path("/proc/net/tcp").read_text(), re.MULTILINE)
        assert listening == ["0100007F"]
        message = f"cannot listen for GDB at 127.0.0.1:{port} .*: name another port"
        with create("renode", DISCO, gdb=Gdb(print, port)) as other, pytest.raises(HilError, match=message):
            other.boot(program("crashes"))


SESSION = """
from pathlib import Path
import pytest
from hil.targets import TargetFault

def test_crash(hil_target):
    hil_target.boot(Path(ELF))
    hil_target.read(0.1)
    hil_target.write(bytes([NUMBER]))
    with pytest.raises(TargetFault, match="read of unmapped memory"):
        hil_target.read(1)
"""


@pytest.mark.usefixtures("renode_here")
def test_a_session_of_pytest_waits_for_gdb_at_a_crash(tmp_path: Path) -> None:
    source = SESSION.replace("ELF", repr(str(program("crashes")))).replace("NUMBER", str(WILD_READ))
    (tmp_path / "test_it.py").write_text(source)
    options = ["-q", "-p", "no:cacheprovider", "--hil-target", "renode", "--hil-gdb", "0", "test_it.py"]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        said, port = until_it_waits(session)
        assert "crash_by_wild_read" in said
        client = GdbClient(port)
        client.ask("D")
        client.close()
        rest = session.stdout.read()
    assert session.returncode == 0 and "1 passed" in rest, rest


def test_it_is_renodes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "run", "rnnpool_face_m4", tmp_path / "x.png", "--gdb", "3333")
    assert outcome.code == 2 and "--gdb opens Renode's GDB server, target sim has none" in outcome.err
