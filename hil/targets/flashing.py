"""Firmware into a board's flash: by pyOCD, OpenOCD, stlink's st-flash, probe-rs, or a copy on the ST-Link's own drive.

Nothing is hidden: `flash` and `reset` hand back the command they ran, and where it fails the error shows it, what it
said last, and what is usually the reason.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from hil.board import Board
from hil.elf_file import elf_file
from hil.targets import drive
from hil.targets.tools import DRIVE, TOOLS, FlashError, Tool

__all__ = ["TOOLS", "FlashError", "Tool", "choose_tool", "flash", "flash_image", "reset"]

log = logging.getLogger(__name__)

TIMEOUT_S = 120.0
_SHOWN_LINES = 4

# What the tools say, in small letters, and what is usually wrong then. Versions: pyOCD 0.46, OpenOCD 0.12, stlink 1.7.
_REASONS = (
    ("not recognized", "pyocd does not know this chip yet: pyocd pack install {chip}"),
    ("error_access", "this user may not use the probe: install the tool's udev rules, then plug the board in again"),
    ("no connected debug probe", "no such probe is plugged in: check the ST-Link's cable, and --at probe="),
    ("open failed", "no such probe is plugged in, or another program has it: check its cable, and --at probe="),
    ("no connected probes", "no such probe is plugged in: check the ST-Link's cable, and --at probe="),
    ("probe not found", "no such probe is plugged in: check the ST-Link's cable, and --at probe="),
    ("couldn't find any st-link", "no such probe is plugged in: check the ST-Link's cable, and --at probe="),
    ("unable to connect to the target", "the probe does not reach the chip: are the jumpers of its SWD connector set?"),
    ("failed to enter swd", "the probe does not reach the chip: are the jumpers of its SWD connector set?"),
    ("verify failed", "the flash does not keep what is written: supply too weak, or the chip is not a {chip}"),
)  # fmt: skip


def choose_tool(board: Board, name: str | None = None) -> Tool:
    """The tool of that name, or the first of board.toml's that is installed. Raises FlashError."""
    if name is not None and name not in TOOLS:
        raise FlashError(f"no tool for flashing is called {name!r}: choose one of {', '.join(TOOLS)}")
    if name == DRIVE:
        return TOOLS[DRIVE]
    wanted = [TOOLS[each] for each in ([name] if name else board.probe.tools)]
    others = [] if name else [tool for tool in TOOLS.values() if tool not in wanted and tool.name != DRIVE]
    for tool in (*wanted, *others):
        if shutil.which(tool.name):
            return tool
    remedies = " or ".join(tool.install for tool in wanted)
    raise FlashError(f"nothing to flash {board.title} with ({', '.join(t.name for t in wanted)} not found): {remedies}")


def flash(tool: Tool, board: Board, elf: Path, probe: str | None = None) -> str:
    """Write a firmware to the board that a probe (its serial number) is part of, and start it. Returns the command."""
    if tool.name == DRIVE:
        return drive.copy(flash_image(elf, board), probe)
    if tool.takes_elf:
        return _run(tool, tool.flash(board, elf.resolve(), probe), board)
    with tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
        binary = Path(folder) / "firmware.bin"
        binary.write_bytes(flash_image(elf, board))
        return _run(tool, tool.flash(board, binary, probe), board)


def reset(tool: Tool, board: Board, probe: str | None = None) -> str:
    """Reset a board as its button does. Returns the command."""
    return _run(tool, tool.reset(board, Path(), probe), board, logging.INFO)


def flash_image(elf: Path, board: Board) -> bytes:
    """What a firmware puts into flash, from its first address on, 0xFF in gaps. Raises FlashError for other files."""
    origin = board.flash.origin
    image = bytearray()
    with elf_file(elf, FlashError) as file:
        for segment in file.iter_segments("PT_LOAD"):
            start = segment["p_paddr"] - origin
            data: bytes = segment.data()
            if not data or not 0 <= start < board.flash.bytes:
                continue
            image.extend(b"\xff" * (start + len(data) - len(image)))
            image[start : start + len(data)] = data
    if not image:
        raise FlashError(f"{elf} has nothing for the flash at {origin:#x}: is it built for {board.name}?")
    return bytes(image)


def _run(tool: Tool, arguments: list[str], board: Board, level: int = logging.WARNING) -> str:
    """level: of the message that shows the command; writing to a chip is worth more than a reset."""
    command = [tool.name, *arguments]
    shown = shlex.join(command)
    log.log(level, "%s", shown)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise FlashError(
            f"{tool.name} did not finish in {TIMEOUT_S:g} s: unplug the board, try again [{shown}]"
        ) from None
    except OSError as error:
        raise FlashError(f"{tool.name} does not start ({error.strerror}): {tool.install}") from None
    output = done.stdout.decode("utf-8", "replace")
    # st-flash returns 0 in some versions although it found no board
    if done.returncode != 0 or "couldn't find any st-link" in output.lower():
        raise FlashError(_explained(tool, shown, done.returncode, output, board))
    return shown


def _explained(tool: Tool, shown: str, code: int, output: str, board: Board) -> str:
    reason = next((hint for sign, hint in _REASONS if sign in output.lower()), "")
    last = [line.strip() for line in output.splitlines() if line.strip()][-_SHOWN_LINES:]
    hint = f": {reason.format(chip=board.chip.lower())}" if reason else ""
    return f"{tool.name} failed with exit code {code}{hint} [{shown}] said: {' | '.join(last) or 'nothing'}"
