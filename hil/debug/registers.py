"""A Cortex-M4's registers as GDB counts them, with the description that tells GDB so ("Target Descriptions")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from unicorn import arm_const as uc_arm

from hil.targets.sim import SimBoard

_BASIC_FRAME = 32
_ALIGNED = 1 << 9
_CONTROL = 0b111  # the bits that the M4 has


@dataclass(frozen=True)
class Register:
    """A register: its name, bits, kind for GDB, and Unicorn's number."""

    name: str
    bits: int
    kind: str
    number: int


_R0, _D0 = uc_arm.UC_ARM_REG_R0, uc_arm.UC_ARM_REG_D0
_CORE = [Register(f"r{n}", 32, "uint32", _R0 + n) for n in range(13)] + [
    Register("sp", 32, "data_ptr", uc_arm.UC_ARM_REG_SP),
    Register("lr", 32, "int", uc_arm.UC_ARM_REG_LR),
    Register("pc", 32, "code_ptr", uc_arm.UC_ARM_REG_PC),
    Register("xpsr", 32, "int", uc_arm.UC_ARM_REG_XPSR),
]
_FPU = [Register(f"d{n}", 64, "ieee_double", _D0 + n) for n in range(16)] + [
    Register("fpscr", 32, "int", uc_arm.UC_ARM_REG_FPSCR)
]
_SYSTEM = [
    Register("msp", 32, "data_ptr", uc_arm.UC_ARM_REG_MSP),
    Register("psp", 32, "data_ptr", uc_arm.UC_ARM_REG_PSP),
    Register("primask", 32, "int", uc_arm.UC_ARM_REG_PRIMASK),
    Register("basepri", 32, "int", uc_arm.UC_ARM_REG_BASEPRI),
    Register("faultmask", 32, "int", uc_arm.UC_ARM_REG_FAULTMASK),
    Register("control", 32, "int", uc_arm.UC_ARM_REG_CONTROL),
]
ALL = [*_CORE, *_FPU, *_SYSTEM]
PC = ALL.index(_CORE[15])
_FEATURES = {"m-profile": _CORE, "vfp": _FPU, "m-system": _SYSTEM}


def description() -> str:
    """target.xml."""
    features = ""
    for name, registers in _FEATURES.items():
        rows = "".join(f'<reg name="{r.name}" bitsize="{r.bits}" type="{r.kind}"/>' for r in registers)
        features += f'<feature name="org.gnu.gdb.arm.{name}">{rows}</feature>'
    head = '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">'
    return f'{head}<target version="1.0"><architecture>arm</architecture>{features}</target>'


def read(board: SimBoard, number: int) -> bytes:
    """A register's bytes, the lowest first. Raises IndexError for an unknown one."""
    register = ALL[number]
    value = board.pc if number == PC else int(board.core.uc.reg_read(register.number))
    if register.name == "control":
        value &= _CONTROL
    return (value & (1 << register.bits) - 1).to_bytes(register.bits // 8, "little")


def write(board: SimBoard, number: int, data: bytes) -> None:
    """Raises IndexError for an unknown register, ValueError for another number of bytes."""
    register = ALL[number]
    if len(data) != register.bits // 8:
        raise ValueError(f"{register.name} has {register.bits // 8} bytes")
    value = int.from_bytes(data, "little")
    if number == PC:
        board.jump(value)
    elif register.name == "xpsr":
        board.core.set_register(uc_arm.UC_ARM_REG_XPSR_NZCVQG, value)
    else:
        board.core.set_register(register.number, value)


def of_frame(board: SimBoard, frame_at: int, size: int) -> dict[int, bytes]:
    """What exception entry has put on a stack, by register number: of a context that waits."""
    *basic, pc, xpsr = struct.unpack("<8I", board.core.memory.read(frame_at, _BASIC_FRAME))
    found = dict(zip((0, 1, 2, 3, 12, 14), basic, strict=True)) | {PC: pc & ~1, PC + 1: xpsr & ~_ALIGNED}
    found[13] = frame_at + size + (4 if xpsr & _ALIGNED else 0)
    return {number: value.to_bytes(4, "little") for number, value in found.items()}
