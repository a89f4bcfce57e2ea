"""The renode target, where Renode is; how it is found, and what is said where it is not, everywhere."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_programs import DISCO, need_compiler, program
from cobs import cobs
from stub_firmware import build, expected_boxes, expected_tap, random_image
from test_board_description import MINE

from hil import board
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure.bundle import Failure, open_bundle
from hil.failure.pack import pack
from hil.firmware import build as firmware
from hil.link import Client, DeviceFault
from hil.link.messages import PROTOCOL, Type
from hil.targets import TargetError, TargetFault, create
from hil.targets.base import Observed, Target
from hil.targets.pyrenode import find
from hil.targets.pyrenode.keep import FILES
from hil.targets.pyrenode.messages import Stop
from hil.targets.pyrenode.process import Renode
from hil.targets.pyrenode.stops import from_guard, in_handler
from hil.targets.reported import explain
from hil.targets.symbols import symbols

REPOSITORY = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.xdist_group("renode")  # one process starts Renode, not each
SAID = {"stack_overflow": "stack overflow", "jump_outside": "jump outside code", "write_flash": "write to flash"}
EXCEPTION_FRAME = 32  # bytes that an interrupt puts on the stack
SAID |= {"read_outside": "read of unmapped memory"}


# -- finding it


@pytest.fixture
def with_pyrenode3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.importlib.util, "find_spec", lambda name: object())


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Renode of the user's, none on the PATH, none in the environment."""
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    for variable in find.LOCATIONS:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("nowhere")
def test_without_renode_the_one_command_that_gets_it_is_said() -> None:
    with pytest.raises(HilError, match=r"^target renode needs Renode 1.16.1, which is not here: hil renode install$"):
        create("renode", DISCO)


def test_without_pyrenode3_the_same_command_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(find.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HilError, match="needs the Python package pyrenode3: hil renode install"):
        find.find({"PYRENODE_BIN": str(tmp_path)})


@pytest.mark.usefixtures("with_pyrenode3")
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"PYRENODE_BIN": "/nowhere/renode"},
            "PYRENODE_BIN is /nowhere/renode, which does not exist: hil renode install, and unset PYRENODE_BIN",
        ),
        ({"PYRENODE_BIN": "a", "PYRENODE_BUILD_DIR": "b"}, "are set, pyrenode3 takes one: unset PYRENODE_BUILD"),
        ({"PYRENODE_BUILD_DIR": "/", "PATH": ""}, "runs on Mono, which is not installed: apt-get install"),
    ],
)
def test_a_missing_or_ambiguous_renode_is_explained(environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(find.RenodeMissingError, match=said):
        find.find(environment)


@pytest.mark.usefixtures("with_pyrenode3", "nowhere")
def test_a_portable_renode_on_the_path_runs_on_dotnet(tmp_path: Path) -> None:
    binary = tmp_path / "renode"
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o755)
    found = find.find({"PATH": str(tmp_path)})
    assert found.environment == {"PYRENODE_BIN": str(binary), "PYRENODE_RUNTIME": "coreclr"}


# -- what stopped it


REGISTERS = (*range(13), 0x2000_0400, 0x0800_0000, 0x0800_0000, 1 << 24)  # r0 to r12, sp, lr, pc, status


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        (Stop("write", 0x1FFF_FFFC, False), "stack overflow"),
        (Stop("write", 0x1FFE_0000, False), "write to unmapped memory"),
        (Stop("write", 0x0800_0100, True), "write to flash"),
        (Stop("execute", 0x3000_0000, False), "jump outside code"),
        (Stop("abort", 0, False), "CPU abort"),
    ],
)
def test_what_stopped_the_core_is_said_in_the_sims_words(stop: Stop, kind: str) -> None:
    table = symbols(program("crashes"))
    table._values.update(_stack_limit=0x2000_0000, _stack_top=0x2000_0400)
    assert from_guard(stop, REGISTERS, table).fault.kind == kind


def test_a_handler_that_loops_is_told_from_a_program_that_does() -> None:
    table = symbols(program("crashes"))
    culprit, handler = table.address("crash_by_undefined") or 0, table.address("usage_fault_handler") or 0
    frame = struct.pack("<8I", 100, 101, 102, 103, 112, 0x0800_0001, culprit & ~1, 1 << 24)
    now = (*range(13), 0x2000_0300, 0xFFFF_FFF9, handler & ~1, 6)
    crash = in_handler(now, 6, frame, table)
    assert crash is not None
    assert (crash.fault.kind, crash.fault.symbol) == ("usage fault", "crash_by_undefined")
    before = (100, 101, 102, 103, *range(4, 12), 112, 0x2000_0320, 0x0800_0001, culprit & ~1, 1 << 24)
    assert crash.registers == before
    assert in_handler(now, 15, frame, table) is None  # SysTick's, no fault's
    assert in_handler((*now[:14], 0x0800_0001, *now[15:]), 6, frame, table) is None  # it has pushed registers
    assert in_handler(now, 6, bytes(32), table) is None


@pytest.mark.parametrize(
    ("exc_return", "status", "size"),
    [(0xFFFF_FFF9, 0, 32), (0xFFFF_FFE9, 0, 104), (0xFFFF_FFF9, 1 << 9, 36), (0xFFFF_FFE9, 1 << 9, 108)],
)
def test_the_stack_pointer_before_a_fault_counts_all_that_was_pushed(exc_return: int, status: int, size: int) -> None:
    table = symbols(program("crashes"))
    culprit = table.address("crash_by_undefined") or 0
    frame = struct.pack("<8I", *[0] * 6, culprit & ~1, 1 << 24 | status)
    crash = in_handler((*range(13), 0x2000_0300, exc_return, 0x0800_0000, 6), 6, frame, table)
    assert crash is not None and crash.fault.sp == 0x2000_0300 + size


def test_renodes_own_suite_sends_the_hello_of_the_golden_vectors() -> None:
    golden = (REPOSITORY / "tests" / "golden" / "frames.txt").read_text()
    wire = re.search(r"^frame hello 01 1 - (\w+)$", golden, re.MULTILINE)
    sent = re.search(
        r"^@\{HELLO\} +(.+)$", (REPOSITORY / "robot_tests/_renode/firmware.robot").read_text(), re.MULTILINE
    )
    assert wire is not None and sent is not None
    assert bytes.fromhex(wire[1]) == bytes(int(byte, 16) for byte in sent[1].split())


def test_renodes_own_suite_expects_the_welcome_of_this_protocol() -> None:
    """As it begins on the wire: type, sequence and version, their zeros taken out."""
    suite = (REPOSITORY / "robot_tests/_renode/firmware.robot").read_text()
    begin = struct.pack("<BHH", Type.WELCOME, 1, PROTOCOL)[:4]
    wire = b"\0" + cobs.encode(begin)
    assert f"Wait For Bytes On Uart    {wire.hex(' ')}    timeout" in suite


# -- the real thing


@pytest.fixture(scope="module")
def renode_here() -> None:
    try:
        find.find()
    except HilError as error:
        pytest.skip(str(error))


@pytest.fixture
def target(renode_here: None, stub_board: tuple[str, Path], tmp_path: Path) -> Iterator[Target]:
    name, elf = stub_board
    with create("renode", board.load(name), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        yield renode


def seen(target: Target) -> Observed:
    observed = target.observed()
    assert observed is not None
    return observed


def test_an_image_gives_what_it_should_and_the_sim_gives(target: Target, stub_board: tuple[str, Path]) -> None:
    image, results = random_image(3), []
    with create("sim", target.board) as sim:
        sim.boot(stub_board[1])
        for device in (target, sim):
            client = Client(device)
            tapped = client.infer(image, tap=1)
            assert tapped.tap is not None and np.array_equal(tapped.tap, expected_tap(image, 1))
            results.append(client.infer(image, digests=True))
    assert [tuple(box) for box in results[0].detections] == expected_boxes(image)
    timeless = [replace(r, layer_cycles=None, decode_cycles=None, total_cycles=None, stack_used=None) for r in results]
    assert timeless[0] == timeless[1]  # boxes, digests, and the watermarks of heap and arena
    # so small a network's stack is deepest in the link, where an interrupt may come at the deepest point or not
    assert abs((results[0].stack_used or 0) - (results[1].stack_used or 0)) in (0, EXCEPTION_FRAME)


def test_hello_says_which_board_and_time_is_virtual(target: Target) -> None:
    hello = Client(target).hello()
    assert hello.board == target.board.name
    assert hello.chip_id & 0xFFF == target.board.device_id
    before = seen(target).seconds or 0
    assert target.read(0.5) == b""
    assert (seen(target).seconds or 0) - before == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("name", sorted({*board.names()} - {"stm32f407_disco", "stm32f429_disco"}))
def test_every_other_board_starts(renode_here: None, name: str, tmp_path: Path) -> None:
    """With CCM and without, with one bank of SRAM and with more."""
    elf, image = build(name, tmp_path / "build"), random_image(6)
    with create("renode", board.load(name), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        assert Client(renode).infer(image).detections == expected_boxes(image)


def test_a_board_without_dma_takes_each_byte_by_an_interrupt(
    renode_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.toml").write_text(MINE.replace('rx_pin = "PC7"', 'rx_pin = "PC7"\ndma = false'))
    monkeypatch.setenv("HIL_BOARDS", str(tmp_path))
    elf, image = build("mine", tmp_path / "build"), random_image(7)
    with create("renode", board.load("mine"), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        assert Client(renode).infer(image).detections == expected_boxes(image)


def test_the_same_run_takes_the_same_time_again(target: Target, stub_board: tuple[str, Path]) -> None:
    observed = []
    for _ in range(2):
        target.boot(stub_board[1])
        Client(target).infer(random_image(4))
        observed.append(seen(target))
    assert observed[0] == observed[1]


def test_through_the_uart_bytes_take_the_lines_time(target: Target, stub_board: tuple[str, Path]) -> None:
    image = random_image(5)
    with create("renode", target.board, uart=True) as line:
        line.boot(stub_board[1])
        client = Client(line)
        client.hello()
        start, sent = seen(line).seconds or 0, client.statistics.bytes_out
        result = client.infer(image)
        carried = (client.statistics.bytes_out - sent) * 10 / line.board.uart.baud
        assert (seen(line).seconds or 0) - start >= carried
    assert [tuple(box) for box in result.detections] == expected_boxes(image)


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


def test_the_bundle_of_a_crash_has_all_that_was_kept_of_it_and_nothing_older(renode_here: None, tmp_path: Path) -> None:
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
    assert seen(target).resets == 1


def test_a_loop_without_interrupts_ends_the_run(renode_here: None) -> None:
    with create("renode", DISCO, runaway_s=0.2) as target:
        target.boot(program("spin"))
        with pytest.raises(TargetFault, match="endless loop in spin .spin.c") as caught:
            target.read(10)
        assert caught.value.symbol == "spin"


@pytest.mark.parametrize(("number", "function"), [(11, "crash_by_undefined"), (12, "crash_without_fpu")])
def test_a_fault_that_no_handler_deals_with_names_its_function(renode_here: None, number: int, function: str) -> None:
    with create("renode", DISCO, runaway_s=0.2) as target:
        target.boot(program("crashes"))
        assert target.read(0.1)[:3] == b"\x00\x70\x00"
        target.write(bytes([number]))
        with pytest.raises(TargetFault, match="usage_fault_handler .* never comes back") as caught:
            target.read(10)
        assert (caught.value.kind, caught.value.symbol) == ("usage fault", function)


def test_a_core_that_renode_holds_for_good_is_given_up(renode_here: None) -> None:
    """A breakpoint, which nobody takes: Renode waits for a debugger."""
    with create("renode", DISCO) as target:
        target.boot(program("crashes"))
        target.read(0.1)
        target.machine.hang_s = 1.0
        target.write(bytes([16]))
        with pytest.raises(TargetError, match="Renode did not reach .* boot the firmware again"):
            target.read(1)
        target.boot(program("crashes"))
        assert target.read(0.1)[:3] == b"\x00\x70\x00"


def test_reset_keeps_memory_and_starts_again(target: Target) -> None:
    client = Client(target)
    assert client.hello().boots == 1
    target.reset()
    assert client.hello().boots == 2


def test_memory_is_read_and_bounded(target: Target, stub_board: tuple[str, Path]) -> None:
    vector = int.from_bytes(target.read_memory(target.board.flash.origin, 4), "little")
    assert vector == symbols(stub_board[1]).address("_stack_top")
    with pytest.raises(TargetError, match="no memory there"):
        target.read_memory(target.board.sram.origin + target.board.sram.bytes - 2, 4)


def test_two_boards_run_side_by_side_and_know_nothing_of_each_other(
    target: Target, stub_board: tuple[str, Path]
) -> None:
    assert Client(target).hello().boots == 1
    with create("renode", target.board) as other:
        other.boot(stub_board[1])
        target.reset()
        assert (Client(other).hello().boots, Client(target).hello().boots) == (1, 2)


def test_code_without_interrupts_takes_the_same_instructions_as_on_the_sim(renode_here: None) -> None:
    counts = []
    for name in ("renode", "sim"):
        with create(name, DISCO) as target:
            target.boot(program("count"))
            assert target.read(10) == b"!"
            target.read(0.01)  # it sleeps
            counts.append(seen(target).instructions or 0)
    assert counts[0] > 1_000_000
    assert abs(counts[0] - counts[1]) <= 0.001 * counts[1]
