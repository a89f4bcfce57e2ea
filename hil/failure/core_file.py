"""A core file of a bare-metal Cortex-M: `gdb-multiarch firmware.elf core` shows registers, stack and variables.

ELF32 of type ET_CORE (System V gABI, chapter 5): a note with the registers as Linux's elf_prstatus has them for ARM,
which gdb reads for bare metal too (since 11), and a segment a memory.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_HEADER, _SEGMENT = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<IIIIIIII")
_ET_CORE, _EM_ARM, _PT_LOAD, _PT_NOTE, _NT_PRSTATUS = 4, 40, 1, 4, 1
_BEFORE_REGISTERS = 72  # bytes of a prstatus: signals, process ids, times
_READ_WRITE = 6
_ORDER = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr")


def core_file(registers: Mapping[str, int], memories: Sequence[tuple[int, bytes]], signal: int = 11) -> bytes:
    """The file's bytes. registers: r0 to r12, sp, lr, pc, xpsr; memories: (address, content); signal: SIGSEGV."""
    values = [registers.get(name, 0) & 0xFFFF_FFFF for name in _ORDER]
    status = struct.pack("<III", signal, 0, 0) + struct.pack("<H", signal)
    status = status.ljust(_BEFORE_REGISTERS, b"\0") + struct.pack("<19I", *values, 0, 0)
    note = struct.pack("<III", 5, len(status), _NT_PRSTATUS) + b"CORE\0\0\0\0" + status
    start = _HEADER.size + _SEGMENT.size * (1 + len(memories))
    segments = [_SEGMENT.pack(_PT_NOTE, start, 0, 0, len(note), 0, 0, 4)]
    offset = start + len(note)
    for address, content in memories:
        segments.append(_SEGMENT.pack(_PT_LOAD, offset, address, address, len(content), len(content), _READ_WRITE, 4))
        offset += len(content)
    identity = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = _HEADER.pack(
        identity,
        _ET_CORE,
        _EM_ARM,
        1,
        0,
        _HEADER.size,
        0,
        0x0500_0000,
        _HEADER.size,
        _SEGMENT.size,
        len(segments),
        0,
        0,
        0,
    )
    return b"".join((header, *segments, note, *(content for _, content in memories)))
