"""Flashing: the right command for each tool, and what it says when it fails explained."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from test_ports import sysfs

from hil import board
from hil.targets import drive, flashing, ports
from hil.targets.flashing import TOOLS, FlashError, choose_tool, flash, flash_image, reset

F407 = board.load("stm32f407_disco")

# What the tools said when no probe was there (OpenOCD 0.12.0, pyOCD 0.46.0, stlink 1.7.0); probe-rs by its issue 3567.
SAID = {
    "openocd": "Info : clock speed 2000 kHz\nError: open failed\nin procedure 'program'\n** OpenOCD init failed **\n",
    "pyocd": "No connected debug probe matches unique ID '066E'\n0002611 E No target device available [load_cmd]\n",
    "probe-rs": "Error: Probe not found\n",
    "st-flash": "st-flash 1.7.0\n2026-01-01T12:00:55 WARN usb.c: Couldn't find any ST-Link devices\n",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, output: str = "", code: int = 0) -> Path:
    """A program that notes its arguments, says something and ends. Returns the file of its arguments."""
    noted = folder / f"{name}.arguments"
    (folder / name).write_text(
        f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done > \'{noted}\'\n'
        f"/bin/cat <<'END'\n{output}\nEND\nexit {code}\n"
    )
    (folder / name).chmod(0o755)
    return noted


@pytest.fixture
def elf(stub_board: tuple[str, Path]) -> Path:
    return stub_board[1]


def test_openocd(path: Path, tmp_path: Path) -> None:
    elf = tmp_path / "a firmware.elf"
    noted = install(path, "openocd")
    command = flash(TOOLS["openocd"], F407, elf, "066E")
    config, program = ["-f", "board/stm32f4discovery.cfg"], ["-c", f"program {{{elf}}} verify reset exit"]
    assert noted.read_text().splitlines() == [*config, "-c", "adapter serial 066E", *program]
    assert shlex.split(command) == ["openocd", *noted.read_text().splitlines()]
    flash(TOOLS["openocd"], F407, elf, None)
    assert noted.read_text().splitlines() == [*config, *program]


def test_pyocd(path: Path, tmp_path: Path) -> None:
    elf = tmp_path / "a firmware.elf"
    noted = install(path, "pyocd")
    flash(TOOLS["pyocd"], F407, elf, "066E")
    start = ["load", "--no-wait", "--target", "stm32f407vgtx"]
    assert noted.read_text().splitlines() == [*start, "--uid", "066E", str(elf)]
    flash(TOOLS["pyocd"], F407, elf, None)
    assert noted.read_text().splitlines() == [*start, str(elf)]


def plug_in_probes(monkeypatch: pytest.MonkeyPatch, *probes: ports.Probe) -> None:
    monkeypatch.setattr(ports, "probes", lambda board: [probe for probe in probes if probe.usb in board.probe.usb])


def test_probe_rs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elf = tmp_path / "a firmware.elf"
    noted = install(path, "probe-rs")
    plug_in_probes(monkeypatch, ports.Probe("0483:3748", "303030", ""), ports.Probe("0483:374b", "066E", ""))
    flash(TOOLS["probe-rs"], F407, elf, "303030")
    chip, end = ["--chip", "STM32F407VGTx"], ["--verify", str(elf)]
    assert noted.read_text().splitlines() == ["download", *chip, "--probe", "0483:3748:303030", *end]
    flash(TOOLS["probe-rs"], F407, elf, None)
    assert noted.read_text().splitlines() == ["download", *chip, *end]
    reset(TOOLS["probe-rs"], board.load("stm32f469_disco"), "066E")
    assert noted.read_text().splitlines() == ["reset", "--chip", "STM32F469NIHx", "--probe", "0483:374b:066E"]


RAW = "\x48\x3f\x70\x06\x65\x78\xff\x55\x25\x20\x21\x20"  # of the ST-Link/V2 on a first F4 Discovery


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("openocd", ["-c", "adapter serial 483F70066578FF5525202120"]),
        ("pyocd", ["--uid", "483F70066578FF5525202120"]),
        ("st-flash", ["--serial", "483F70066578FF5525202120"]),
        ("probe-rs", ["--probe", "0483:3748:483F70066578FF5525202120"]),
    ],
)
def test_an_old_st_links_raw_bytes_go_to_every_tool_as_hex_digits(
    path: Path, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, option: list[str]
) -> None:
    found = ports.probes(F407, sysfs(tmp_path / "usb", ("3748", RAW)))
    plug_in_probes(monkeypatch, *found)
    noted = install(path, name)
    flash(TOOLS[name], F407, elf, ports.find_probe(F407, None, "/dev/ttyUSB0"))
    words = noted.read_text().splitlines()
    assert words[words.index(option[-1]) - 1 :][:2] == option


@pytest.fixture
def drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Path]]:
    """Mounts drives of ST-Links with these serial numbers, in folders with blanks in their names."""
    devices, by_id = tmp_path / "dev", tmp_path / "by-id"
    monkeypatch.setattr(drive, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(drive, "BY_ID", by_id)
    monkeypatch.setattr(drive, "SETTLE_S", 0.05)
    devices.mkdir()
    by_id.mkdir()

    def mount(*numbers: str) -> dict[str, Path]:
        lines, folders = ["proc /proc proc rw 0 0"], {}
        for number in numbers:
            (devices / number).touch()
            (by_id / f"usb-MBED_microcontroller_{number}-0:0").symlink_to(devices / number)
            folders[number] = tmp_path / f"DIS F407VG {number}"
            folders[number].mkdir()
            (folders[number] / "DETAILS.TXT").touch()
            escaped = str(folders[number]).replace(" ", "\\040")
            lines.append(f"{devices / number} {escaped} vfat rw 0 0")
        (tmp_path / "mounts").write_text("\n".join(lines) + "\n")
        return folders

    return mount


def test_the_st_links_drive_takes_a_copy(drives: Callable[..., dict[str, Path]], elf: Path) -> None:
    here = drives("066EAAAA", "066EBBBB")
    assert flash(choose_tool(F407, "drive"), F407, elf, "066EBBBB").startswith("cp firmware.bin ")
    assert (here["066EBBBB"] / "firmware.bin").read_bytes() == flash_image(elf, F407)
    assert not (here["066EAAAA"] / "firmware.bin").exists()
    with pytest.raises(FlashError, match="2 drives of ST-Links are mounted .*--at probe=NUMBER"):
        flash(TOOLS["drive"], F407, elf, None)
    with pytest.raises(FlashError, match="no drive of the ST-Link 066ECCCC is mounted"):
        flash(TOOLS["drive"], F407, elf, "066ECCCC")


def test_what_the_st_link_says_of_a_copy_that_failed(
    drives: Callable[..., dict[str, Path]], elf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = drives("066EAAAA").values()
    (folder / "FAIL.TXT").write_text("of yesterday")
    flash(TOOLS["drive"], F407, elf, "066EAAAA")

    def sync(descriptor: int) -> None:
        (folder / "FAIL.TXT").write_text("The interface firmware FAILED\r\nto reset/halt the target MCU")

    monkeypatch.setattr(drive.os, "fsync", sync)
    with pytest.raises(FlashError, match="it says: The interface firmware FAILED to reset/halt the target MCU"):
        flash(TOOLS["drive"], F407, elf, "066EAAAA")


def test_no_drive_is_mounted(drives: Callable[..., dict[str, Path]], elf: Path) -> None:
    drives()
    with pytest.raises(FlashError, match="no drive is mounted: mount it, or flash with another tool"):
        flash(TOOLS["drive"], F407, elf, None)


def test_st_flash_gets_the_bytes_of_the_flash(path: Path, elf: Path) -> None:
    noted = install(path, "st-flash")
    flash(TOOLS["st-flash"], F407, elf, None)
    *words, file, address = noted.read_text().splitlines()
    assert (words, address) == (["--reset", "write"], "0x8000000")
    flash(TOOLS["st-flash"], F407, elf, "066E")
    assert noted.read_text().splitlines()[:2] == ["--serial", "066E"]
    assert not Path(file).exists()  # it was a temporary one


def test_the_image_has_vectors_first_and_every_byte_in_its_place(elf: Path) -> None:
    image = flash_image(elf, F407)
    assert 0x2000_0000 < int.from_bytes(image[:4], "little") <= 0x2002_0000  # initial stack pointer
    with elf.open("rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            start = segment["p_paddr"] - F407.flash.origin
            assert image[start : start + segment["p_filesz"]] == segment.data()


@pytest.mark.parametrize("content", [b"", b"no ELF at all", b"\x7fELF" + bytes(60)])
def test_what_is_no_firmware_is_not_flashed(path: Path, tmp_path: Path, content: bytes) -> None:
    install(path, "st-flash")
    file = tmp_path / "x.elf"
    file.write_bytes(content)
    with pytest.raises(FlashError, match="no firmware|nothing for the flash|is not an ELF file"):
        flash(TOOLS["st-flash"], F407, file, None)


@pytest.mark.parametrize("name", SAID)
def test_a_missing_probe_is_explained_with_the_command(path: Path, elf: Path, name: str) -> None:
    install(path, name, SAID[name], code=0 if name == "st-flash" else 1)
    with pytest.raises(FlashError) as caught:
        flash(TOOLS[name], F407, elf, "066E")
    message = str(caught.value)
    assert "no such probe is plugged in" in message and f"[{name} " in message
    assert SAID[name].strip().splitlines()[-1] in message


def test_a_chip_that_pyocd_does_not_know(path: Path, elf: Path) -> None:
    install(path, "pyocd", "0000712 C Target type stm32f407vgtx not recognized. Use 'pyocd list --targets'", code=1)
    with pytest.raises(FlashError, match="pyocd pack install stm32f407vg"):
        flash(TOOLS["pyocd"], F407, elf)


def test_a_tool_that_hangs(path: Path, elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "openocd").write_text("#!/bin/sh\nread line < /dev/zero\n")
    (path / "openocd").chmod(0o755)
    monkeypatch.setattr(flashing, "TIMEOUT_S", 0.1)
    with pytest.raises(FlashError, match="did not finish in 0.1 s.*openocd -f"):
        flash(TOOLS["openocd"], F407, elf)


def test_resets(path: Path) -> None:
    noted = {name: install(path, name) for name in SAID}
    for name in SAID:
        assert reset(TOOLS[name], F407, "066E").startswith(name)
    with pytest.raises(FlashError, match="reset the board by reset=link"):
        reset(TOOLS["drive"], F407, "066E")
    assert noted["openocd"].read_text().splitlines()[-1] == "init; reset run; exit"
    assert noted["pyocd"].read_text().splitlines()[0] == "reset"
    assert noted["st-flash"].read_text().splitlines()[-1] == "reset"


def test_the_first_of_the_boards_tools_that_is_installed(path: Path) -> None:
    with pytest.raises(FlashError, match="apt-get install -y openocd or pip install pyocd or apt-get"):
        choose_tool(F407)
    install(path, "st-flash")
    assert choose_tool(F407).name == "st-flash"
    install(path, "pyocd")
    assert choose_tool(F407).name == "pyocd"
    assert choose_tool(F407, "st-flash").name == "st-flash"
    with pytest.raises(FlashError, match=r"nothing to flash .* with \(openocd not found\): apt-get install -y openocd"):
        choose_tool(F407, "openocd")
    with pytest.raises(FlashError, match="'jlink': choose one of openocd, pyocd, st-flash, probe-rs, drive"):
        choose_tool(F407, "jlink")
