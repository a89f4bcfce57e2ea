"""How the serial target resets and flashes a board: by the link, by DTR, by a probe, and what it makes of the result.

The port is one that a simulated board is wired to, DTR and all, in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stub_firmware

from hil import board
from hil.firmware.stamp import write_hash
from hil.link import Client
from hil.targets import flashing
from hil.targets import serial as serial_target
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.serial import SerialTarget
from hil.targets.sim.target import SimTarget

F407 = board.load("stm32f407_disco")


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub_firmware.build(F407.name, tmp_path_factory.mktemp("stub"))


@pytest.fixture(scope="module")
def other(elf: Path) -> Path:
    """The same firmware under another build id."""
    path = elf.with_name("other.elf")
    path.write_bytes(elf.read_bytes().replace(b"00000000beef0001", b"00000000beef0002"))
    write_hash(path)
    return path


class Port:
    """What the serial target uses of pyserial, at the board's end of the wires. is_mute: the board has no firmware."""

    def __init__(self, sim: SimTarget) -> None:
        self.sim, self.timeout, self.in_waiting = sim, 0.0, 0
        self.is_mute = False
        self.levels: list[bool] = []

    @property
    def dtr(self) -> bool:
        return self.levels[-1]

    @dtr.setter
    def dtr(self, active: bool) -> None:
        if self.levels and self.levels[-1] and not active:
            self.sim.reset()  # NRST is let go
        self.levels.append(active)

    def write(self, data: bytes) -> None:
        if not self.is_mute:
            self.sim.write(data)

    def read(self, size: int) -> bytes:
        if not self.in_waiting:
            self._arrived = b"" if self.is_mute else self.sim.read(self.timeout)
        data, self._arrived = self._arrived[:size], self._arrived[size:]
        self.in_waiting = len(self._arrived)
        return data

    def reset_input_buffer(self) -> None:
        self.sim.read(0.05)
        self.in_waiting = 0

    def close(self) -> None: ...


@pytest.fixture
def port(elf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    with SimTarget(F407) as sim:
        sim.boot(elf)
        wired = Port(sim)
        monkeypatch.setattr(serial_target, "_open", lambda url, baud: wired)
        monkeypatch.setattr(serial_target, "START_UP_S", 0)
        monkeypatch.setattr(flashing.shutil, "which", lambda name: f"/usr/bin/{name}")
        yield wired


def connect(tmp_path: Path, how: str = "") -> SerialTarget:
    return SerialTarget(F407, Connection.parse(f"{tmp_path / 'port'}{how}"))


def test_dtr_pulls_the_reset_pin_and_lets_it_go(port: Port, elf: Path, tmp_path: Path) -> None:
    with connect(tmp_path, ",reset=dtr") as target:
        target.boot(elf)
        assert port.levels == [True, False]
        hello = Client(target).hello()
        assert hello.boots == 2 and hello.reset_cause & 0x10 == 0  # the pin, no software


def test_dtr_that_is_wired_to_nothing_is_noticed(
    port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port.sim, "reset", lambda: None)
    with connect(tmp_path, ",reset=dtr") as target, pytest.raises(TargetError, match="has not started again"):
        target.boot(elf)


def test_the_probe_resets_when_it_is_told_to(
    port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def reset(tool: flashing.Tool, described: object, probe: str | None) -> None:
        used.append((tool.name, probe))
        port.sim.reset()

    monkeypatch.setattr(flashing, "reset", reset)
    with connect(tmp_path, ",reset=probe,probe=066E,flash=openocd") as target:
        target.boot(elf)
        assert used == [("openocd", "066E")] and Client(target).hello().boots == 2


def test_after_pyocd_the_firmware_resets_itself_so_that_its_cycles_count(
    port: Port, elf: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash_into(port, monkeypatch)
    for tool, starts in (("openocd", 1), ("pyocd", 2)):
        port.sim.boot(other)
        with connect(tmp_path, f",probe=066E,flash={tool}") as target:
            target.boot(elf)
            assert Client(target).hello().boots == starts, tool
    monkeypatch.setattr(flashing, "reset", lambda *_: port.sim.reset())
    with connect(tmp_path, ",reset=probe,probe=066E,flash=pyocd") as target:
        target.boot(elf)
        assert Client(target).hello().boots == 4


def test_revision_a_of_the_f407_is_one(port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SimTarget(replace(F407, device_id=0x411)) as revision_a:
        revision_a.boot(elf)
        port.sim = revision_a
        with connect(tmp_path) as target:
            target.boot(elf)
            assert Client(target).hello().chip_id & 0xFFF == 0x411
        f429 = board.load("stm32f429_disco")
        wrong = pytest.raises(TargetError, match="has device id 0x411, a STM32F429ZI has 0x419")
        with SerialTarget(f429, Connection.parse(str(tmp_path / "port"))) as target, wrong:
            target.boot(elf)


def test_a_board_that_is_switched_off_and_on_is_found_again(
    port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_(url: str, baud: int) -> Port:
        opened.append(url)
        if len(opened) == 2:
            raise TargetError("there is no port: the adapter has not been named yet")
        return port

    monkeypatch.setattr(serial_target, "_open", open_)
    monkeypatch.setattr(serial_target.power, "cycle", lambda switched: port.sim.reset())
    with connect(tmp_path, ",reset=power") as target:
        target.boot(elf)
        assert len(opened) == 3 and Client(target).hello().boots == 2


def test_a_board_that_stays_off(port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_target, "COMES_BACK_S", 0)
    with connect(tmp_path, ",reset=power") as target, pytest.raises(TargetError, match="there is no port"):
        target.open()

        def open_(url: str, baud: int) -> Port:
            raise TargetError("there is no port")

        monkeypatch.setattr(serial_target, "_open", open_)
        monkeypatch.setattr(serial_target.power, "cycle", lambda switched: None)
        target.boot(elf)


def flash_into(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    def flash(tool: flashing.Tool, described: object, firmware: Path, probe: str | None) -> str:
        port.is_mute = False
        port.sim.boot(firmware)
        return f"{tool.name} {probe}"

    monkeypatch.setattr(flashing, "flash", flash)


def test_another_firmware_is_flashed_although_it_has_started_as_often_as_the_last(
    port: Port, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash_into(port, monkeypatch)
    with connect(tmp_path, ",probe=066E,flash=st-flash") as target:
        assert Client(port_of(target)).hello().boots == 1
        target.boot(other)
        hello = Client(target).hello()
        assert (hello.boots, hello.build_id, target.flash_command) == (1, "00000000beef0002", "st-flash 066E")


def test_a_board_without_firmware_is_flashed(
    port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash_into(port, monkeypatch)
    port.is_mute = True
    with connect(tmp_path, ",probe=066E") as target:
        target.boot(elf)
        assert target.flash_command == "openocd 066E"


def test_a_board_that_stays_silent_after_it_was_flashed(
    port: Port, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flashing, "flash", lambda *_: "openocd")
    port.is_mute = True
    with connect(tmp_path, ",probe=066E") as target, pytest.raises(TargetError, match="no answer at .* 921600 baud"):
        target.boot(elf)


def test_a_flash_tool_that_fails_ends_the_run_with_its_words(port: Port, other: Path, tmp_path: Path) -> None:
    """openocd is not there, although its name was found: the system's own words."""
    with connect(tmp_path, ",probe=066E,flash=openocd") as target:
        target.open()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PATH", str(tmp_path))
            with pytest.raises(flashing.FlashError, match="openocd does not start"):
                target.boot(other)
        assert Client(target).hello().build_id == "00000000beef0001"


def port_of(target: SerialTarget) -> SerialTarget:
    target.open()
    return target
