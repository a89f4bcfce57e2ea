"""Crashes on Renode: how the run ends, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_programs import DISCO, need_compiler, program

from hil.bench.session import Bench
from hil.failure.bundle import Failure, open_bundle
from hil.failure.pack import pack
from hil.firmware import build as firmware
from hil.link import Client, DeviceFault
from hil.targets import TargetError, TargetFault, create
from hil.targets.base import Target
from hil.targets.pyrenode.keep import FILES
from hil.targets.pyrenode.process import Renode
from hil.targets.reported import explain

pytestmark = [pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]
SAID = {"stack_overflow": "stack overflow", "jump_outside": "jump outside code", "write_flash": "write to flash"}
SAID |= {"read_outside": "read of unmapped memory"}


@pytest.fixture
def target(stub_on_renode: Target) -> Target:
    return stub_on_renode


@pytest.mark.parametrize("kind", SAID)
def test_a_crash_that_renode_lets_pass_ends_the_run(
    target: Target, stub_board: tuple[str, Path], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TargetFault) as caught:
        Client(target).provoke(kind)
    assert (caught.value.kind, caught.value.symbol) == (SAID[kind], kind)
    kept = {path.name for path in target.kept.iterdir()}
    assert kept >= {"frames.txt", "registers.txt", "renode.log", "snapshot.resc", "snapshot.save"}
    assert f"lies in {target.kept}" in caplog.text
    with pytest.raises(TargetError, match="boot"):
        target.read(0.1)
    target.boot(stub_board[1])
    assert Client(target).hello().boots == 1


def crash(target: Target) -> tuple[TargetFault, dict[str, int]]:
    """A crash, and the registers that were kept of it."""
    with pytest.raises(TargetFault) as caught:
        Client(target).provoke("read_outside")
    lines = (target.kept / "registers.txt").read_text().split("\n\n")[1].splitlines()
    return caught.value, {name: int(value, 16) for name, value in map(str.split, lines)}


def test_the_registers_kept_are_those_of_the_instruction_that_did_it(target: Target) -> None:
    fault, registers = crash(target)
    assert (registers["pc"], registers["lr"], registers["sp"]) == (fault.pc, fault.lr, fault.sp)
    assert fault.address in registers.values()
    assert registers["xpsr"] & 0x1FF == 0  # no handler runs


def test_the_log_kept_is_this_boards_and_says_why_it_stopped(target: Target, stub_board: tuple[str, Path]) -> None:
    crash(target)
    target.boot(stub_board[1])
    fault, _ = crash(target)
    log = (target.kept / "renode.log").read_text()
    assert log.count("stopped: read") == 1 and f"PC 0x{fault.pc:08X}" in log


def test_the_snapshot_kept_loads_into_another_renode_with_the_same_registers(target: Target) -> None:
    _, registers = crash(target)
    other = Renode()
    try:
        other.command(f"include @{target.kept / 'snapshot.resc'}")
        loaded = [int(other.command(f"sysbus.cpu GetRegister {n}"), 16) for n in range(16)]
    finally:
        other.end()
    assert loaded == list(registers.values())[:16]


def test_the_bundle_of_a_crash_has_all_that_was_kept_of_it_and_nothing_older(tmp_path: Path) -> None:
    need_compiler()
    kept, built = tmp_path / "kept", firmware.build("rnnpool_face_m4", DISCO.name)
    kept.mkdir()
    (kept / "renode.log").write_text("of another run")
    with Bench(built, create("renode", DISCO, kept=kept)) as bench:
        before = open_bundle(pack(tmp_path, "before", bench, Failure("test", "it fails"))).members
        with pytest.raises(TargetFault) as caught:
            bench.provoke("write_flash")
        after = open_bundle(pack(tmp_path, "after", bench, Failure("error", str(caught.value)))).members
    assert not set(FILES) & set(before) and set(FILES) <= set(after)
    assert f"pc   {caught.value.pc:#010x}" in after["registers.txt"].decode()
    assert "stopped: write" in after["renode.log"].decode()
    here = (str(tmp_path).encode(), str(built.elf.resolve().parent).encode())
    assert [name for name, content in after.items() if any(path in content for path in here)] == []


@pytest.mark.parametrize("kind", ["null_call", "undefined_instruction", "endless_loop"])
def test_a_crash_that_the_firmware_catches_is_reported_by_it(
    target: Target, stub_board: tuple[str, Path], kind: str
) -> None:
    client = Client(target)
    with pytest.raises(DeviceFault) as caught:
        client.provoke(kind)
    assert explain(caught.value, stub_board[1]).symbol == kind
    assert client.hello().boots == 2
    observed = target.observed()
    assert observed is not None and observed.resets == 1


def test_a_loop_without_interrupts_ends_the_run() -> None:
    with create("renode", DISCO, runaway_s=0.2) as target:
        target.boot(program("spin"))
        with pytest.raises(TargetFault, match="endless loop in spin .spin.c") as caught:
            target.read(10)
        assert caught.value.symbol == "spin"


@pytest.mark.parametrize(("number", "function"), [(11, "crash_by_undefined"), (12, "crash_without_fpu")])
def test_a_fault_that_no_handler_deals_with_names_its_function(number: int, function: str) -> None:
    with create("renode", DISCO, runaway_s=0.2) as target:
        target.boot(program("crashes"))
        assert target.read(0.1)[:3] == b"\x00\x70\x00"
        target.write(bytes([number]))
        with pytest.raises(TargetFault, match="usage_fault_handler .* never comes back") as caught:
            target.read(10)
        assert (caught.value.kind, caught.value.symbol) == ("usage fault", function)


def test_a_breakpoint_that_nobody_takes_is_named() -> None:
    """Renode itself waits for a debugger."""
    with create("renode", DISCO) as target:
        target.boot(program("crashes"))
        target.read(0.1)
        target.write(bytes([16]))
        with pytest.raises(TargetFault) as caught:
            target.read(1)
        assert (caught.value.kind, caught.value.symbol) == ("breakpoint", "crash_by_breakpoint")
        target.boot(program("crashes"))
        assert target.read(0.1)[:3] == b"\x00\x70\x00"
