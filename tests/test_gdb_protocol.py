"""The GDB server of the simulated board, spoken to by a client of a few lines."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stub_firmware
from board_programs import DISCO
from gdb_client import Debugged, GdbClient, debugged

from hil.debug import DebuggerEndedError, DebugTarget
from hil.debug.packets import LONGEST, Reader, packet
from hil.debug.server import Server
from hil.errors import HilError
from hil.link import Client, DeviceFault
from hil.targets.sim import SimTarget
from hil.targets.symbols import symbols

IMAGE = stub_firmware.random_image(3)
FAULT, TRAP = "T0b", "T05"


@pytest.fixture(scope="module")
def expected(elf: Path) -> tuple[Any, ...]:
    """What an inference gives without a debugger."""
    return undisturbed(elf)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub_firmware.build(DISCO.name, tmp_path_factory.mktemp("debugged") / DISCO.name)


def infer(target: SimTarget) -> tuple[Any, ...]:
    """An inference, and all that a debugger must not change of it."""
    result = Client(target).infer(IMAGE, digests=True)
    seen = target.observed()
    return result.total_cycles, result.layer_cycles, result.digests, seen.cycles, seen.instructions, seen.stack_used


def undisturbed(elf: Path) -> tuple[Any, ...]:
    with SimTarget(DISCO, timing="full") as target:
        target.boot(elf)
        return infer(target)


def end(run: Debugged, client: GdbClient) -> None:
    """Of a run whose result is not wanted."""
    client.send("k")
    with pytest.raises(DebuggerEndedError):
        run.end()


def address(elf: Path, name: str) -> int:
    found = symbols(elf).address(name)
    assert found is not None, name
    return found & ~1


def stop_at(client: GdbClient, place: int, times: int = 1) -> str:
    """Continue to the so-manieth arrival at an address."""
    assert client.ask(f"Z1,{place:x},2") == "OK"
    for _ in range(times):
        reply = client.ask("c")
    assert client.ask(f"z1,{place:x},2") == "OK"
    return reply


def test_halting_and_stepping_change_no_cycle(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        assert client.pc == address(elf, "reset_handler") or client.pc == symbols_start(elf)
        place = address(elf, "model_push_row")
        assert stop_at(client, place, 3).startswith(TRAP)
        assert client.pc == place
        for _ in range(300):
            assert client.ask("s").startswith(TRAP)
        client.ask("D")
        assert run.end() == expected


def symbols_start(elf: Path) -> int:
    """Where the vector table says that it starts."""
    from hil.targets.image import load

    part = next(data for at, data in load(elf, DISCO).parts if at == DISCO.flash.origin)
    return int.from_bytes(part[4:8], "little") & ~1


def test_registers_memory_and_cycles_are_the_boards(elf: Path) -> None:
    with debugged(elf, infer) as (run, client):
        stop_at(client, address(elf, "model_push_row"))
        sim = run.target.sim
        everything = bytes.fromhex(client.ask("g"))
        assert everything[60:64] == client.pc.to_bytes(4, "little") and len(everything) == 17 * 4 + 16 * 8 + 4 + 6 * 4
        assert client.cycle() == sim.core.now and client.place() == sim.core.executed
        sp = client.register(13)
        assert bytes.fromhex(client.ask(f"m{sp:x},10")) == sim.core.memory.read(sp, 16)
        assert '<reg name="d15"' in client.ask("qXfer:features:read:target.xml:0,4000")
        assert client.monitor("where").startswith("model_push_row")
        assert "monitor knows cycles" in client.monitor("nonsense")
        assert client.ask("me0001000,4") != "E01", "a peripheral's register"
        assert client.ask("m30000000,4") == "E01"
        end(run, client)


def test_registers_and_memory_can_be_changed(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        stop_at(client, address(elf, "model_push_row"))
        row = address(elf, "row")
        assert client.ask(f"M{row:x},2:0102") == "OK"
        assert client.ask(f"m{row:x},2") == "0102"
        assert client.ask("P4=78563412") == "OK" and client.register(4) == 0x12345678
        assert client.ask("P12=000000000000f83f") == "OK" and client.register(18) == 0x3FF8000000000000, "d1 = 1.5"
        assert client.ask("M8000000,1:00").startswith("E.no RAM at 0x08000000: flash")
        client.ask("D")
        assert run.end()[2] != expected[2], "other pixels"


def test_back_and_forth_is_the_same_place(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        stop_at(client, address(elf, "model_push_row"), 2)
        way = []
        for _ in range(60):
            way.append((client.place(), client.cycle(), client.ask("g")))
            client.ask("s")
        for known in reversed(way[-8:]):
            assert client.ask("bs").startswith(TRAP)
            assert (client.place(), client.cycle(), client.ask("g")) == known
        assert client.ask("P0=00000000").startswith("E.the past cannot be changed")
        assert client.ask("M20000000,1:00").startswith("E.the past cannot be changed")
        client.ask("D")
        assert run.end() == expected


def test_who_wrote_this_byte(elf: Path, expected: tuple[Any, ...]) -> None:
    byte = address(elf, "checksums")
    with debugged(elf, infer) as (run, client):
        assert client.ask(f"Z2,{byte:x},1") == "OK"
        writers = []
        while client.ask("c").startswith(f"T05thread:1;watch:{byte:x}") and len(writers) < 4:
            writers.append((client.place(), client.pc, client.cycle()))
        assert {symbols(elf).function(pc) for _, pc, _ in writers} <= {
            "reset_handler",
            "memset",
            "model_begin",
            "model_push_row",
        }
        client.ask(f"z2,{byte:x},1")
        stop_at(client, address(elf, "model_finish"))
        client.ask(f"Z2,{byte:x},1")
        last = None
        for _ in range(2):
            assert client.ask("bc").startswith(f"T05thread:1;watch:{byte:x}")
            written = client.ask(f"m{byte:x},4")
            client.ask(f"z2,{byte:x},1")
            client.ask("bs")
            assert client.ask(f"m{byte:x},4") != written, "it is the very instruction that writes"
            before, last = last, (client.place(), client.pc, client.cycle())
            client.ask(f"Z2,{byte:x},1")
        assert before is not None and last is not None and writers[-1][0] < last[0] < before[0]
        client.ask(f"z2,{byte:x},1")
        client.ask(f"Z1,{address(elf, 'model_begin'):x},2")
        assert client.ask("bc").startswith("T05thread:1;hwbreak:") and client.pc == address(elf, "model_begin")
        assert writers[0][0] < client.place() < last[0]
        client.ask("D")
        assert run.end() == expected


def test_the_beginning_is_said(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        stop_at(client, address(elf, "model_push_row"))
        assert "replaylog:begin" in client.ask("bc")
        assert client.pc == symbols_start(elf) and client.cycle() == 0
        assert "replaylog:begin" in client.ask("bs")
        client.ask("D")
        assert run.end() == expected


def test_what_the_dma_wrote_is_told(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        stop_at(client, address(elf, "model_push_row"))
        controller = run.target.sim.chip.dmas
        stream = next(s for dma in controller for s in dma.streams if s.is_enabled and s.direction == 0)
        ring = stream.registers[3]
        client.ask(f"Z2,{ring:x},1")
        reply = client.ask("c")
        while "by DMA" not in client.console:
            reply = client.ask("c")
        assert f"watch:{ring:x}" in reply
        client.ask("D")
        assert run.end() == expected


def test_exceptions_are_threads(elf: Path) -> None:
    with debugged(elf, infer) as (run, client):
        handlers = [f.name for f in symbols(elf).functions if f.name.endswith(("_irq", "_handler", "_isr"))]
        for name in handlers:
            client.ask(f"Z1,{address(elf, name):x},2")
        client.ask("c")
        while client.pc == symbols_start(elf):
            client.ask("c")
        threads = client.ask("qfThreadInfo")
        assert threads.startswith("m1,") and len(threads.split(",")) == 2
        assert client.ask("qC") == "QC" + threads.split(",")[1]
        assert "exception" in bytes.fromhex(client.ask(f"qThreadExtraInfo,{threads.split(',')[1]}")).decode()
        assert client.ask("Hg1") == "OK"
        assert symbols(elf).function(client.register(15)) is not None
        assert client.ask("p4") == "xxxxxxxx", "what the frame does not hold"
        assert client.ask("T7f").startswith("E.there is no thread")
        end(run, client)


def crash(target: DebugTarget) -> str:
    try:
        Client(target).provoke("null_call")
    except (DeviceFault, HilError) as error:
        return str(error)
    return "survived"


def test_it_waits_where_the_firmware_crashes(elf: Path) -> None:
    with debugged(elf, crash, waits="fault") as (run, client):
        assert client.ask("?").startswith(FAULT)
        assert "null" in client.monitor("faults")
        here = client.place()
        client.ask("bs")
        assert client.place() == here - 1
        assert client.ask("c").startswith(FAULT), "the handler is entered"
        client.ask("D")
        assert run.end() != "survived"


def test_a_crash_is_seen_by_a_client_that_is_there(elf: Path) -> None:
    with debugged(elf, crash) as (run, client):
        assert client.ask("c").startswith(FAULT)
        assert "null" in client.console
        client.ask("D")
        assert run.end() != "survived"


def test_nobody_need_come_where_nothing_crashes(elf: Path, expected: tuple[Any, ...]) -> None:
    assert Debugged(elf, infer, waits="fault").end() == expected


def test_a_client_can_break_in(elf: Path, expected: tuple[Any, ...]) -> None:
    with debugged(elf, infer) as (run, client):
        client.send("c")
        client.socket.sendall(b"\x03")
        assert client.reply()[:3] in ("T02",)
        client.ask("D")
        assert run.end() == expected


# -- what clients do wrong


def test_nonsense_is_refused_and_the_server_goes_on(elf: Path) -> None:
    requests = [
        "pzz",
        "m",
        "mxyz,4",
        "Z1",
        "Z9,0,0",
        "P",
        "Mq,1:00",
        "Hgx",
        "vCont;r1,2",
        "qXfer:a",
        "p7f",
        "m0,ffffff",
    ]
    with debugged(elf, infer) as (run, client):
        for request in requests:
            assert client.ask(request).startswith("E"), request
        for request in ("qFoo", "vBar", "!", "jx", "~", ""):
            assert client.ask(request) == "", "what is not known has an empty answer"
        assert client.ask("?").startswith(TRAP)
        end(run, client)


def test_a_damaged_packet_is_asked_for_again(elf: Path) -> None:
    with debugged(elf, infer) as (run, client):
        client.socket.sendall(b"$?#00")
        assert client.socket.recv(1) == b"-"
        assert client.ask("?").startswith(TRAP)
        end(run, client)


def test_after_no_ack_mode_nothing_is_acknowledged(elf: Path) -> None:
    with debugged(elf, infer) as (run, client):
        client.ask("QStartNoAckMode")
        client.send("?")
        assert client.socket.recv(1) == b"$"
        client.reply()
        end(run, client)


def leave_halted(client: GdbClient) -> None:
    client.ask("?")


def leave_running(client: GdbClient) -> None:
    client.send("c")


def leave_in_mid_packet(client: GdbClient) -> None:
    client.socket.sendall(b"$m2000")


def speak_http(client: GdbClient) -> None:
    client.socket.sendall(b"GET / HTTP/1.1\r\n" * 5000)


def send_without_end(client: GdbClient) -> None:
    client.socket.sendall(b"$" + b"A" * (2 * LONGEST))


@pytest.mark.parametrize("leave", [leave_halted, leave_running, leave_in_mid_packet, speak_http, send_without_end])
def test_a_client_that_goes_or_is_none_leaves_the_run_alone(
    elf: Path, leave: Callable[[GdbClient], None], expected: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with debugged(elf, infer) as (run, client):
        client.ask(f"Z1,{address(elf, 'model_finish'):x},2")
        leave(client)
        if leave in (leave_halted, leave_running, leave_in_mid_packet):
            client.close()
        assert run.end() == expected
    assert "the firmware runs on without it" in caplog.text


def test_a_second_client_is_turned_away(elf: Path, caplog: pytest.LogCaptureFixture) -> None:
    with debugged(elf, infer) as (run, client):
        with socket.create_connection(client.socket.getpeername()) as second:
            client.ask("?")
            assert second.recv(1) == b""
        assert client.ask("?").startswith(TRAP)
        end(run, client)
    assert "turned away: one at a time" in caplog.text


def test_killing_ends_the_run(elf: Path) -> None:
    with debugged(elf, infer) as (run, client):
        client.send("k")
        with pytest.raises(DebuggerEndedError, match="the debugger ended the run"):
            run.end()


def test_a_port_that_is_taken_is_named() -> None:
    first = Server(0)
    with pytest.raises(HilError, match="cannot listen for GDB at 127.0.0.1:.*name another port"):
        Server(first.port)
    first.close()


def test_packets_survive_any_cutting() -> None:
    data = bytes(range(256))
    reader = Reader()
    found = []
    for byte in packet(data) + b"+" + packet(b"x"):
        reader.feed(bytes([byte]))
        while (one := reader.next()) is not None:
            found.append(one)
    assert found == [data, b"x"] and not reader.damaged
