"""The serial target on a simulated board in another process, behind a pseudo-terminal: bytes take their real time."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stub_firmware
from served import Served, serve
from stub_firmware import expected_boxes, random_image

from hil import board, targets
from hil.firmware.elf import identity
from hil.link import Client, DeviceFault
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.lock import BoardInUseError
from hil.targets.pseudo_terminal import PseudoTerminal
from hil.targets.serial import SerialTarget

NAME = "stm32f407_disco"
pytestmark = pytest.mark.xdist_group("serial")


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub_firmware.build(NAME, tmp_path_factory.mktemp("stub") / NAME)


@pytest.fixture(scope="module")
def served(elf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(elf, tmp_path_factory.mktemp("port") / "board") as board_behind_port:
        yield board_behind_port


def connect(port: Path | str, more: str = "", name: str = NAME) -> SerialTarget:
    target = targets.create("serial", board.load(name), connection=Connection.parse(f"{port}{more}"))
    assert isinstance(target, SerialTarget)
    return target


def check_unharmed(client: Client, board_damaged: int) -> None:
    """Nothing happened to any frame. Only a host that had to ask again, because this computer was too busy to let the
    board answer in time, may have sent more than the board's ring holds."""
    if client.statistics.timeouts == 0:
        assert (client.statistics.damaged, client.statistics.naks, board_damaged) == (0, 0, 0)


def test_a_board_boots_computes_and_reports(served: Served) -> None:
    with connect(served.port) as target:
        target.boot(served.elf)
        client = Client(target)
        hello = client.hello()
        assert (hello.board, hello.chip_id & 0xFFF) == (NAME, target.board.device_id)
        image = random_image(1)
        result = client.infer(image)
        assert result.detections == expected_boxes(image)
        assert result.total_cycles and result.stack_used
        check_unharmed(client, result.board_damaged)


def test_booting_resets_the_board_and_does_not_flash_what_it_runs(served: Served) -> None:
    with connect(served.port) as target:
        target.boot(served.elf)
        before = Client(target).hello().boots
        target.boot(served.elf)
        after = Client(target).hello()
        target.reset()
        assert (after.boots - before, Client(target).hello().boots - after.boots) == (1, 1)
        assert after.reset_cause & 0x10  # software
        assert target.flash_command is None


def test_a_crash_is_reported_and_the_board_works_again(served: Served) -> None:
    with connect(served.port) as target:
        target.boot(served.elf)
        with pytest.raises(DeviceFault, match="division by zero"):
            Client(target).provoke("divide_by_zero")
        target.boot(served.elf)
        image = random_image(2)
        assert Client(target).infer(image).detections == expected_boxes(image)


def test_another_chip_or_another_board_is_refused(served: Served) -> None:
    with connect(served.port) as target:
        target.boot(served.elf)
        number = Client(target).hello().unique_id
    with connect(served.port, f",chip={number}") as target:
        target.boot(served.elf)
    with connect(served.port, ",chip=00112233445566778899aabb") as target, pytest.raises(TargetError) as caught:
        target.boot(served.elf)
    assert number in str(caught.value) and "00112233445566778899aabb" in str(caught.value)
    with (
        connect(served.port, name="stm32f429_disco") as target,
        pytest.raises(TargetError, match="0x413, a STM32F429ZI has 0x419.*--board stm32f407_disco"),
    ):
        target.boot(served.elf)


def another(served: Served, folder: Path) -> Path:
    """The served firmware as one of another build: another build id, another hash."""
    said = identity(served.elf)
    assert said is not None and said.elf_hash
    elf = folder / "other.elf"
    content = served.elf.read_bytes().replace(b"00000000beef0001", b"00000000beef0002")
    elf.write_bytes(content.replace(said.elf_hash.encode(), said.elf_hash[::-1].encode()))
    assert identity(elf) != said
    return elf


def test_another_firmware_is_not_run_and_cannot_be_flashed_without_a_probe(served: Served, tmp_path: Path) -> None:
    other = another(served, tmp_path)
    with connect(served.port) as target, pytest.raises(TargetError, match="runs build 00000000beef0001.*no probe"):
        target.boot(other)
    with connect(served.port, ",flash=none") as target, pytest.raises(TargetError, match="flash=none"):
        target.boot(other)


def test_a_flashed_board_that_is_not_the_one_at_the_port_is_noticed(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe's board gets the firmware; the port's has not been reset."""
    openocd = tmp_path / "openocd"
    openocd.write_text("#!/bin/sh\nexit 0\n")
    openocd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    other = another(served, tmp_path)
    with connect(served.port, ",flash=openocd,probe=066E") as target:
        with pytest.raises(TargetError, match="two boards"):
            target.boot(other)
        assert target.flash_command is not None and "adapter serial 066E" in target.flash_command


def test_another_speed_gets_no_answer(served: Served) -> None:
    with connect(served.port, ",baud=115200,flash=none") as target, pytest.raises(TargetError, match="is silent"):
        target.boot(served.elf)
    with connect(served.port) as target:
        target.boot(served.elf)


def test_a_line_without_dtr_says_so(served: Served) -> None:
    with connect(served.port, ",reset=dtr") as target, pytest.raises(TargetError, match="no DTR line.*reset="):
        target.boot(served.elf)


def test_a_second_run_waits_for_the_first(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []
    waits = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for it" in record.getMessage():
                order.append("second waits")
                waits.set()

    def second_run() -> None:
        with connect(served.port) as target:
            target.boot(served.elf)
            order.append("second has the board")

    logger, listener = logging.getLogger("hil.locks"), Listener()
    logger.addHandler(listener)
    try:
        with connect(served.port) as first:
            first.boot(served.elf)
            thread = threading.Thread(target=second_run)
            thread.start()
            assert waits.wait(60)
            image = random_image(3)
            assert Client(first).infer(image).detections == expected_boxes(image)
            order.append("first is done")
        thread.join(60)
    finally:
        logger.removeHandler(listener)
    assert order == ["second waits", "first is done", "second has the board"]


def test_a_run_that_may_not_wait_is_told_who_has_the_board(served: Served, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(served.port)  # another name, the same board
    with connect(served.port) as first:
        first.open()
        with connect(alias, ",wait=0") as second, pytest.raises(BoardInUseError, match=r"in use by process \d+ \("):
            second.open()
    with connect(alias, ",wait=0") as second:
        second.open()


def test_noise_garbage_and_a_late_start_cost_repetitions_and_nothing_else(elf: Path, tmp_path: Path) -> None:
    mischief = ("--damage", "0.01", "--drop", "0.01", "--garbage", "40", "--late", "0.3")
    with serve(elf, tmp_path / "board", *mischief) as served, connect(served.port) as target:
        target.boot(served.elf)
        client = Client(target)
        image = random_image(6)
        result = client.infer(image)
        assert result.detections == expected_boxes(image)
        assert client.statistics.retries > 0
        assert client.statistics.damaged > 0 and result.board_damaged > 0  # in both directions


class Patience:
    """A line that adds up for how long it was waited for: that is what a run may take, however busy the computer."""

    def __init__(self, target: SerialTarget) -> None:
        self._target = target
        self.seconds = 0.0

    def write(self, data: bytes) -> None:
        self._target.write(data)

    def read(self, timeout_s: float) -> bytes:
        self.seconds += timeout_s
        return self._target.read(timeout_s)


def test_a_port_that_vanishes_in_mid_run_ends_it_at_once_and_the_next_run_works(elf: Path, tmp_path: Path) -> None:
    image = random_image(4)
    with serve(elf, tmp_path / "board") as served, connect(served.port) as target:
        target.boot(served.elf)
        line = Patience(target)

        def pull(taken: int, total: int) -> None:
            if served.process.poll() is None and taken > total // 4:
                served.kill()
                line.seconds = 0.0

        with pytest.raises(TargetError, match="is gone.*unplugged"):
            Client(line).infer(image, progress=pull)
        assert line.seconds < 5
        with pytest.raises(TargetError, match="there is no port"):
            target.boot(served.elf)
        with serve(elf, served.port):
            target.boot(served.elf)
            assert Client(target).infer(image).detections == expected_boxes(image)


def test_a_board_that_never_answers(elf: Path, tmp_path: Path) -> None:
    with PseudoTerminal(tmp_path / "mute") as port, connect(tmp_path / "mute") as target:
        with pytest.raises(TargetError, match="is silent and not .*firmware.elf, and no probe"):
            target.boot(elf)
        assert port.read(0)  # it was asked


def test_a_port_at_which_something_else_talks(elf: Path, tmp_path: Path) -> None:
    done = threading.Event()

    def talk(port: PseudoTerminal) -> None:
        while not done.wait(0.02):
            port.write(b"temperature 21.5\r\n")

    with PseudoTerminal(tmp_path / "talks") as port, connect(tmp_path / "talks", ",flash=none") as target:
        talker = threading.Thread(target=talk, args=(port,))
        talker.start()
        try:
            with pytest.raises(TargetError, match="chatters and not .*firmware.elf"):
                target.boot(elf)
            assert re.match(r"\d+ bytes came from .* at 921600 baud, but no answer", str(target._silent()))
        finally:
            done.set()
            talker.join()


@pytest.mark.parametrize("baud", [115_200, 2_000_000])
def test_slow_and_fast_lines(tmp_path: Path, baud: int) -> None:
    elf = stub_firmware.build(NAME, tmp_path / "build", f"-DHIL_BAUD={baud}")
    with (
        serve(elf, tmp_path / "board", "--baud", str(baud)) as served,
        connect(served.port, f",baud={baud}") as target,
    ):
        target.boot(elf)
        client = Client(target)
        assert client.hello().baud == baud
        image = random_image(5)
        result = client.infer(image)
        assert result.detections == expected_boxes(image)
        check_unharmed(client, result.board_damaged)
