"""Renode's monitor at a board that runs: line by line, and over a port of this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_programs import DISCO, program
from cli import hil

from hil.errors import HilError
from hil.targets import create
from hil.targets.base import Target
from hil.targets.pyrenode.find import Installation
from hil.targets.pyrenode.shell import MonitorPort, Shell

pytestmark = pytest.mark.xdist_group("renode")


def refuse(line: str) -> str:
    if line == "bad":
        raise HilError("Renode does not accept 'bad'")
    return line.upper()


def ask(port: int, *lines: str) -> list[str]:
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rw") as stream:
        answers = []
        for line in lines:
            stream.write(line + "\n")
            stream.flush()
            answers.append(stream.readline().strip())
        stream.write("quit\n")
        stream.flush()
        assert stream.readline() == ""
        return answers


def test_a_port_answers_line_by_line_and_goes_on_after_an_error() -> None:
    monitor = MonitorPort(0, refuse)
    assert ask(monitor.port, "mach", "bad", "help") == ["MACH", "error: Renode does not accept 'bad'", "HELP"]
    monitor.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", monitor.port))


def test_it_listens_on_this_machine_alone() -> None:
    monitor = MonitorPort(0, refuse)
    assert monitor._server.server_address[0] == "127.0.0.1"
    monitor.close()


def test_a_port_that_is_taken_is_said() -> None:
    monitor = MonitorPort(0, refuse)
    with pytest.raises(HilError, match=f"port {monitor.port} of 127.0.0.1 cannot be had .*: choose another"):
        MonitorPort(monitor.port, refuse)
    monitor.close()


def test_a_port_that_there_cannot_be_is_said() -> None:
    with pytest.raises(HilError, match="port 70000 of 127.0.0.1 cannot be had"):
        MonitorPort(70000, refuse)


def test_the_monitor_is_renodes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "run", "rnnpool_face_m4", tmp_path / "x.png", "--monitor", "4444")
    assert outcome.code == 2 and "--monitor opens Renode's monitor, target sim has none" in outcome.err


@pytest.fixture
def target(renode_here: Installation) -> Iterator[Target]:
    with create("renode", DISCO, monitor=0) as made:
        made.boot(program("crashes"))
        yield made


def test_the_shell_lets_time_pass_and_asks_the_monitor(target: Target) -> None:
    shell = Shell(target)
    assert "sent 4 bytes: 00 70 00 0b" in shell.obey("run 0.1")
    assert shell.obey("run 0.5").startswith("0.600000 s")
    assert int(shell.obey("sysbus.cpu PC"), 16) // 0x100_0000 == 8
    with pytest.raises(HilError, match="run takes a number of seconds"):
        shell.obey("run fast")
    with pytest.raises(HilError, match="does not accept 'nonsense'"):
        shell.obey("nonsense")


def test_the_monitor_is_there_while_the_board_runs(target: Target) -> None:
    port = target._port.port
    assert ask(port, "sysbus WhatPeripheralIsAt 0x40004400") == ["Antmicro.Renode.Peripherals.UART.STM32_UART"]
    assert target.read(0.1)[:3] == b"\x00\x70\x00"
    target.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
