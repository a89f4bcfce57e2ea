"""The shortest firmware there is, booted: whether a simulated board works on this machine at all."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from hil.board import Board
from hil.errors import HilError
from hil.targets.sim.target import SimTarget

_MARK = 42
_CODE = struct.pack(
    "<6HI",
    0x202A,  # movs r0, #42
    0x4902,  # ldr r1, the word behind the code
    0x6008,  # str r0, [r1]
    0xBF30,  # wfi
    0xE7FD,  # b to the wfi
    0xBF00,  # nop
    0,  # where the mark goes: put in for a board
)
_EHDR, _PHDR = "<16sHHIIIIIHHHHHH", "<8I"


def boot_trial(board: Board) -> None:
    """Boot a firmware of five instructions and see what it wrote. Raises HilError where that does not work."""
    with tempfile.TemporaryDirectory(prefix="hil-trial-") as folder:
        elf = Path(folder) / "trial.elf"
        elf.write_bytes(_program(board))
        with SimTarget(board) as target:
            target.boot(elf)
            target.read(1e-3)
            found = struct.unpack("<I", target.read_memory(board.sram.origin, 4))[0]
    if found != _MARK:
        raise HilError(f"the simulated board wrote {found:#x} and not {_MARK:#x}: is unicorn of the right version?")


def _program(board: Board) -> bytes:
    """An ELF file: a vector table and the code behind it."""
    flash, size = board.flash.origin, struct.calcsize(_EHDR) + struct.calcsize(_PHDR)
    content = struct.pack("<II", board.sram.end, flash + 8 | 1) + _CODE[:-4] + struct.pack("<I", board.sram.origin)
    identity = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    executable, arm, abi5 = 2, 40, 0x0500_0000
    header = struct.pack(_EHDR, identity, executable, arm, 1, flash + 8 | 1, struct.calcsize(_EHDR), 0, abi5,
                         struct.calcsize(_EHDR), struct.calcsize(_PHDR), 1, 40, 0, 0)  # fmt: skip
    loaded, readable = 1, 5
    segment = struct.pack(_PHDR, loaded, size, flash, flash, len(content), len(content), readable, 4)
    return header + segment + content
