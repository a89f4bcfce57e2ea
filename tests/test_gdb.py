"""GDB itself, driven by a script, at the simulated board: it stops at a layer and finds who wrote a byte."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import stub_firmware
from board_programs import DISCO
from gdb_client import Debugged
from test_gdb_protocol import infer, undisturbed

from hil.targets.symbols import symbols

GDB = next(filter(None, map(shutil.which, ("gdb-multiarch", "arm-none-eabi-gdb"))), None)
PATIENCE_S = 240

pytestmark = pytest.mark.skipif(GDB is None, reason="needs GDB: apt-get install -y gdb-multiarch")

SCRIPT = """
set confirm off
set pagination off
set breakpoint pending off
break invert
continue
printf "PC %#x SP %#x\\n", $pc, $sp
printf "ROW %d\\n", rows
monitor cycles
info registers xpsr msp
printf "FPU %g\\n", $d0
backtrace 2
stepi
printf "STEPPED %#x\\n", $pc
delete
tbreak model_finish
continue
printf "CHECKSUM %#x\\n", checksums[2]
watch -l checksums[2]
reverse-continue
printf "WRITER %#x VALUE %#x\\n", $pc, checksums[2]
monitor cycles
info line *$pc
stepi
printf "WRITTEN %#x\\n", checksums[2]
delete
reverse-stepi
printf "BACK %#x\\n", $pc
info threads
detach
"""


def run_gdb(elf: Path, port: int, script: str, folder: Path) -> str:
    """What GDB prints for a script of its commands."""
    path = folder / "script.gdb"
    path.write_text(f"target remote 127.0.0.1:{port}\n{script}")
    command = [str(GDB), "-nx", "-batch", "-x", str(path), str(elf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout + done.stderr


def found(output: str, word: str) -> list[str]:
    """What stands behind a word, for each line that begins with it."""
    return [line[len(word) :].strip() for line in output.splitlines() if line.startswith(word)]


def test_a_session_with_gdb(tmp_path: Path) -> None:
    elf = stub_firmware.build(DISCO.name, tmp_path / DISCO.name)
    run = Debugged(elf, infer)
    output = run_gdb(elf, run.wait(), SCRIPT, tmp_path)
    assert run.end() == undisturbed(elf), output
    known = symbols(elf)
    pc = int(found(output, "PC")[0].split()[0], 16)
    assert known.function(pc) in ("invert", "model_push_row"), "invert may be inlined"
    assert found(output, "ROW") == ["0"]
    cycles = [int(line.split()[0].rstrip(",")) for line in found(output, "cycle")]
    assert len(cycles) == 2 and 0 < cycles[0] < cycles[1]
    stepped = int(found(output, "STEPPED")[0], 16)
    assert stepped in (pc + 2, pc + 4) or known.function(stepped) == "port_cycles", "the next one, or what it calls"
    total = int(found(output, "CHECKSUM")[0], 16)
    writer, _, before = found(output, "WRITER")[0].split()
    assert known.function(int(writer, 16)) in ("add", "model_push_row")
    assert int(before, 16) != total and found(output, "WRITTEN") == [f"{total:#x}"], output
    assert found(output, "BACK") == [writer], "the instruction before it is the writer again"
    assert "thread mode, runs" in output and "xpsr" in output and "msp" in output and "FPU" in output
