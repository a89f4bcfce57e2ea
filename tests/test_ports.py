"""Boards are told apart by USB serial numbers; where that leaves a doubt there is an error and not a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serial.tools.list_ports_common import ListPortInfo

from hil import board
from hil.targets import ports
from hil.targets.base import TargetError
from hil.targets.lock import BoardLock

F407, F429 = board.load("stm32f407_disco"), board.load("stm32f429_disco")


def plug_in(monkeypatch: pytest.MonkeyPatch, *devices: tuple[Any, ...]) -> None:
    """Device, vendor, product, serial number and perhaps USB path of what is plugged in from now on."""

    def info(device: str, vid: int, pid: int, serial_number: str | None, location: str | None = None) -> ListPortInfo:
        port = ListPortInfo(device, skip_link_detection=True)
        port.vid, port.pid, port.serial_number, port.location = vid, pid, serial_number, location
        return port

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [info(*device) for device in devices])


VCP_A, VCP_B = ("/dev/ttyACM0", 0x0483, 0x374B, "066EAAAA"), ("/dev/ttyACM1", 0x0483, 0x374B, "066EBBBB")
ADAPTER = ("/dev/ttyUSB0", 0x0403, 0x6001, "A50285BI")


def test_the_only_port_of_a_probe_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ADAPTER, VCP_A)
    assert ports.find_port(F429, None, None) == "/dev/ttyACM0"


def test_two_that_fit_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, VCP_A, VCP_B)
    with pytest.raises(TargetError) as caught:
        ports.find_port(F429, None, None)
    assert "066EAAAA" in str(caught.value) and "066EBBBB" in str(caught.value) and "--at serial=" in str(caught.value)
    assert ports.find_port(F429, None, "066EBBBB") == "/dev/ttyACM1"


def test_an_adapter_is_never_taken_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ADAPTER)
    with pytest.raises(TargetError, match="no serial port belongs to .*Here are: /dev/ttyUSB0"):
        ports.find_port(F407, None, None)
    assert ports.find_port(F407, None, "A50285BI") == "/dev/ttyUSB0"


def test_another_serial_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, VCP_A, VCP_B)
    with pytest.raises(TargetError, match="/dev/ttyACM0 has serial number 066EAAAA, not 066EBBBB"):
        ports.find_port(F429, "/dev/ttyACM0", "066EBBBB")
    with pytest.raises(TargetError, match="no serial port has serial number 066ECCCC"):
        ports.find_port(F429, None, "066ECCCC")
    with pytest.raises(TargetError, match="no USB device with a serial number"):
        ports.find_port(F429, "socket://lab:1", "066EAAAA")


def test_two_names_of_a_board_are_one_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    port, link = tmp_path / "ttyACM0", tmp_path / "by-id"
    port.touch()
    link.symlink_to(port)
    plug_in(monkeypatch, (str(port), 0x0483, 0x374B, "066EAAAA"))
    assert BoardLock(ports.identity(str(link))).path == BoardLock(ports.identity(str(port))).path
    plug_in(monkeypatch)
    assert ports.identity(str(link)) == ports.identity(str(port)) == f"port {port}"


CLONES = [("/dev/ttyUSB0", 0x10C4, 0xEA60, "0001", "1-2"), ("/dev/ttyUSB1", 0x10C4, 0xEA60, "0001", "1-3")]


def test_adapters_with_one_serial_number_never_share_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, CLONES[0])
    alone = ports.identity("/dev/ttyUSB0")
    plug_in(monkeypatch, *CLONES)
    first, second = (ports.identity(device) for device, *_ in CLONES)
    assert first == alone != second, "the other one coming and going changes nothing"
    assert ports.find_port(F407, None, None, "1-3") == "/dev/ttyUSB1"
    with pytest.raises(TargetError, match="no serial port is plugged in at USB path 1-4.*USB path 1-2"):
        ports.find_port(F407, None, None, "1-4")
    plug_in(monkeypatch, *(clone[:4] for clone in CLONES))  # a system that knows no USB paths
    assert ports.identity("/dev/ttyUSB0") != ports.identity("/dev/ttyUSB1")


def test_an_adapter_with_several_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (
        ("/dev/ttyUSB0", 0x0403, 0x6011, "FT1", "1-2:1.0"),
        ("/dev/ttyUSB1", 0x0403, 0x6011, "FT1", "1-2:1.1"),
    )
    plug_in(monkeypatch, one, other)
    assert ports.identity("/dev/ttyUSB0") != ports.identity("/dev/ttyUSB1")
    assert ports.find_port(F407, None, "FT1", "1-2:1.1") == "/dev/ttyUSB1"
    with pytest.raises(TargetError, match="2 serial ports can be meant"):
        ports.find_port(F407, None, None, "1-2")


OLD = "\x48\x3f\x70\x06\x65\x78\xff\x55\x25\x20\x21\x20"  # twelve bytes, the last a blank


def test_the_old_st_links_raw_serial_number_is_given_as_hex_digits(tmp_path: Path) -> None:
    folder = sysfs(tmp_path, ("3748", OLD), ("374b", "066EAAAA"))
    assert [probe.serial_number for probe in ports.probes(F407, folder)] == ["483F70066578FF5525202120", "066EAAAA"]
    assert ports.readable("0483:3748", "483F70066578FF5525202120") == "483F70066578FF5525202120"
    assert ports.readable("0483:3748", "H\x3fp") == "", "cut off at a zero byte: nobody knows what followed"
    assert ports.readable("0483:374b", "066EFF485550") == "066EFF485550"


def sysfs(folder: Path, *devices: tuple[str, str]) -> Path:
    """USB devices as Linux shows them: product id and serial number, ST's vendor id; and a hub, which has none."""
    folder.mkdir(exist_ok=True)
    for number, (product, serial_number) in enumerate(devices):
        device = folder / f"1-{number}"
        device.mkdir()
        for name, text in (
            ("idVendor", "0483"),
            ("idProduct", product),
            ("serial", serial_number),
            ("product", "STLINK"),
        ):
            (device / name).write_text(text + "\n")
    (folder / "usb1").mkdir()
    (folder / "usb1" / "idVendor").write_text("1d6b\n")
    return folder


def test_probes_without_a_port_are_seen(tmp_path: Path) -> None:
    folder = sysfs(tmp_path, ("3748", "303030"), ("374b", "066EAAAA"), ("5740", "other"))
    assert [probe.serial_number for probe in ports.probes(F407, folder)] == ["303030", "066EAAAA"]
    assert [probe.usb for probe in ports.probes(F429, folder)] == ["0483:374b"]


def test_the_probe_that_flashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = [ports.Probe("0483:374b", number, "") for number in ("066EAAAA", "066EBBBB")]
    monkeypatch.setattr(ports, "probes", lambda board: both)
    plug_in(monkeypatch, VCP_A, VCP_B, ADAPTER)
    assert ports.find_probe(F429, None, "/dev/ttyACM1") == "066EBBBB"  # the port is the probe's own
    assert ports.find_probe(F429, "066EAAAA", "/dev/ttyACM1") == "066EAAAA"
    with pytest.raises(TargetError, match="2 probes .*probe=066EAAAA or 066EBBBB"):
        ports.find_probe(F407, None, "/dev/ttyUSB0")
    monkeypatch.setattr(ports, "probes", lambda board: both[:1])
    assert ports.find_probe(F407, None, "/dev/ttyUSB0") == "066EAAAA"
    monkeypatch.setattr(ports, "probes", lambda board: [])
    assert ports.find_probe(F407, None, "/dev/ttyUSB0") is None
