"""The serial target's port: what cannot be opened is explained, and any pyserial URL will do."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.link import Client
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.lock import BoardInUseError, BoardLock
from hil.targets.native import NativeTarget
from hil.targets.pseudo_terminal import PseudoTerminal
from hil.targets.serial import SerialTarget

F407 = board.load("stm32f407_disco")


def serial(at: str) -> SerialTarget:
    return SerialTarget(F407, Connection.parse(at))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOENT, "there is no port .*hil boards"),
        (errno.EACCES, r"no permission for .*sudo usermod -aG \S+ \$USER"),
        (errno.EBUSY, "in use by another program"),
        (errno.EIO, "cannot open the port"),
    ],
)
def test_a_port_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, message: str) -> None:
    port = tmp_path / "ttyUSB0"
    if code != errno.ENOENT:
        port.touch()
    opens = os.open

    def refuse(path: str, *rest: int, **more: int) -> int:
        if str(path) == str(port):
            raise OSError(code, os.strerror(code))
        return opens(path, *rest, **more)

    monkeypatch.setattr("serial.serialposix.os.open", refuse)
    with serial(str(port)) as target, pytest.raises(TargetError, match=message):
        target.open()


def test_a_port_that_a_terminal_program_has(tmp_path: Path) -> None:
    with PseudoTerminal(tmp_path / "port") as port, open(port.device, "rb", buffering=0) as terminal:
        fcntl.flock(terminal, fcntl.LOCK_EX)
        with serial(str(tmp_path / "port")) as target, pytest.raises(TargetError, match="in use by another program"):
            target.open()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://x", "cannot use the port nonsense://x: "),
        ("socket://nowhere", "cannot open the port socket://nowhere: "),
        ("socket://127.0.0.1:1", "cannot open the port socket://127.0.0.1:1: Connection refused"),
        ("/dev/null", "/dev/null is no serial port"),
        ("/", "/ is no serial port"),
    ],
)
def test_what_is_no_port(url: str, words: str) -> None:
    with serial(url) as target, pytest.raises(TargetError) as error:
        target.open()
    assert str(error.value).startswith(words) and "rrno" not in str(error.value)


def test_nothing_passes_before_it_is_open() -> None:
    target = serial("/dev/ttyUSB0")
    for use in (lambda: target.read(0.1), lambda: target.write(b"x")):
        with pytest.raises(TargetError, match="not open"):
            use()
    with pytest.raises(TargetError, match="--target sim"):
        target.read_memory(0x2000_0000, 4)


def test_bytes_pass_unchanged_both_ways(tmp_path: Path) -> None:
    everything = bytes(range(256)) * 4
    with PseudoTerminal(tmp_path / "port") as port, serial(str(tmp_path / "port")) as target:
        target.open()
        assert port.baud == F407.uart.baud
        target.write(everything)
        arrived = b""
        while len(arrived) < len(everything):
            arrived += port.read(10)
        assert arrived == everything
        assert port.write(everything) == 0
        arrived = b""
        while len(arrived) < len(everything):
            arrived += target.read(10)
        assert arrived == everything
        assert target.read(0.01) == b""


def test_what_nobody_reads_is_lost_as_on_a_wire(tmp_path: Path) -> None:
    with PseudoTerminal() as port:
        assert port.write(bytes(1 << 20)) > 0


def test_a_path_that_is_taken_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("mine")
    with pytest.raises(TargetError, match="is there already"):
        PseudoTerminal(path)
    assert path.read_text() == "mine"
    stale = tmp_path / "stale"
    stale.symlink_to("/dev/pts/no-such")
    with PseudoTerminal(stale) as port:
        assert os.readlink(stale) == port.device
    assert not stale.is_symlink()


def test_a_link_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    """By a signal that no process can do anything about."""
    path = tmp_path / "port"
    made = f"import time; from pathlib import Path; from hil.targets.pseudo_terminal import PseudoTerminal\n" \
           f"PseudoTerminal(Path({str(path)!r})); print('made', flush=True); time.sleep(600)"  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", made], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "made\n" and path.is_symlink()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while path.is_symlink() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not path.is_symlink()


def test_a_file_that_is_no_port_is_named_as_such(tmp_path: Path) -> None:
    with (
        serial("/dev/null") as target,
        pytest.raises(TargetError, match="/dev/null is no serial port: hil boards lists"),
    ):
        target.open()


class Remote:
    """pyserial's port for rfc2217://, as far as it differs: a time limit for writing is an error."""

    def __init__(self) -> None:
        self.is_open = False
        self.baudrate = 0
        self.timeout: float | None = None

    @property
    def write_timeout(self) -> float:
        return 0.0

    @write_timeout.setter
    def write_timeout(self, seconds: float) -> None:
        raise NotImplementedError("write_timeout is currently not supported")

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def read(self, count: int) -> bytes:
        return b""


def test_a_port_behind_rfc2217_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Remote()
    monkeypatch.setattr("serial.serial_for_url", lambda url, do_not_open: port)
    with serial("rfc2217://lab:4000?ign_set_control") as target:
        target.open()
        assert port.is_open and port.baudrate == F407.uart.baud
    assert not port.is_open


def test_a_board_whose_clock_is_slower_is_waited_for_so_much_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Remote()
    monkeypatch.setattr("serial.serial_for_url", lambda url, do_not_open: port)
    monkeypatch.setattr("hil.targets.serial.time.monotonic", lambda: 60.0)
    with serial("rfc2217://lab:4000,slower=30") as target:
        target.open()
        assert target.read(0.05) == b"" and port.timeout == pytest.approx(1.5)
        assert target.now_s() == pytest.approx(2.0)


@pytest.fixture
def remote(stub_native: Path) -> Iterator[str]:
    """The stub firmware at a TCP port."""
    with socket.create_server(("127.0.0.1", 0)) as server, NativeTarget(F407) as firmware:
        firmware.boot(stub_native)

        def carry_out(connection: socket.socket) -> None:
            while data := connection.recv(4096):
                firmware.write(data)

        def serve() -> None:
            connection, _ = server.accept()
            threading.Thread(target=carry_out, args=(connection,), daemon=True).start()
            try:
                while True:
                    if data := firmware.read(0.05):
                        connection.sendall(data)
            except (OSError, TargetError):
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"


def test_a_board_at_the_other_end_of_a_network(remote: str, tmp_path: Path) -> None:
    with serial(remote) as target:
        target.open()
        image = random_image(1)
        assert Client(target).infer(image).detections == expected_boxes(image)
        elf = tmp_path / "other.elf"
        elf.touch()
        with pytest.raises(TargetError, match="flash it where it is plugged in"):
            target.boot(elf)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    lock = BoardLock(f"test {tmp_path}")
    code = (
        "import sys, time; from hil.targets.lock import BoardLock\n"
        "lock = BoardLock(sys.argv[1]); lock.acquire(0); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, lock.identity], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    assert not lock.is_free() and str(holder.pid) in lock.holder()
    with pytest.raises(BoardInUseError, match=f"process {holder.pid}"):
        lock.acquire(0)
    holder.kill()
    holder.communicate()
    assert lock.is_free()
    lock.acquire(0)
    lock.release()
    assert lock.holder() == ""
    lock.path.unlink()
