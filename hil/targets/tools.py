"""The programs that write to a board's flash and reset it, with the arguments that each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.board import Board
from hil.targets import ports
from hil.targets.base import TargetError

Arguments = Callable[[Board, Path, str | None], list[str]]
DRIVE = "drive"


class FlashError(TargetError):
    """A tool could not do its work, or is not there."""


@dataclass(frozen=True)
class Tool:
    """A program that flashes and resets boards. flash and reset: its arguments for board, file and probe.

    leaves_counter_off: it ends the core's trace as it leaves, so that DWT->CYCCNT stands still until the next reset.
    """

    name: str
    install: str
    flash: Arguments
    reset: Arguments
    takes_elf: bool = True
    leaves_counter_off: bool = False


def _pyocd(*command: str) -> Callable[[Board, str | None], list[str]]:
    def arguments(board: Board, probe: str | None) -> list[str]:
        # Without --no-wait it waits for ever for a probe to be plugged in.
        return [*command, "--no-wait", "--target", board.probe.pyocd_target, *(["--uid", probe] if probe else [])]

    return arguments


def _openocd(board: Board, probe: str | None, commands: str) -> list[str]:
    choice = ["-c", f"adapter serial {probe}"] if probe else []
    return ["-f", board.probe.openocd_board, *choice, "-c", commands]


def _st_flash(probe: str | None) -> list[str]:
    return ["--serial", probe] if probe else []


def _probe_rs(board: Board, probe: str | None) -> list[str]:
    """The chip's name has its package's letter; a probe is named by vendor, product and serial number together."""
    chip = board.chip + ("Hx" if board.chip[9:10] == "N" else "Tx")
    if not probe:
        return ["--chip", chip]
    usb = next((one.usb for one in ports.probes(board) if one.serial_number == probe), board.probe.usb[-1])
    return ["--chip", chip, "--probe", f"{usb}:{probe}"]


def _no_program() -> list[str]:
    raise FlashError("the ST-Link's drive takes a copy and nothing else: reset the board by reset=link, dtr or power")


TOOLS = {
    "openocd": Tool(
        "openocd",
        "apt-get install -y openocd",
        lambda board, file, probe: _openocd(board, probe, f"program {{{file}}} verify reset exit"),
        lambda board, file, probe: _openocd(board, probe, "init; reset run; exit"),
    ),
    "pyocd": Tool(
        "pyocd",
        "pip install pyocd",
        lambda board, file, probe: [*_pyocd("load")(board, probe), str(file)],
        lambda board, file, probe: _pyocd("reset")(board, probe),
        leaves_counter_off=True,
    ),
    "st-flash": Tool(
        "st-flash",
        "apt-get install -y stlink-tools",
        lambda board, file, probe: [*_st_flash(probe), "--reset", "write", str(file), f"{board.flash.origin:#x}"],
        lambda board, file, probe: [*_st_flash(probe), "reset"],
        takes_elf=False,
    ),
    "probe-rs": Tool(
        "probe-rs",
        "cargo install probe-rs-tools",
        lambda board, file, probe: ["download", *_probe_rs(board, probe), "--verify", str(file)],
        lambda board, file, probe: ["reset", *_probe_rs(board, probe)],
    ),
    DRIVE: Tool(
        DRIVE,
        "mount the ST-Link's drive",
        lambda board, file, probe: _no_program(),
        lambda board, file, probe: _no_program(),
        takes_elf=False,
    ),
}
