"""What a fault is: the status bits that the core shows the firmware, and the words that a person needs.

ARMv7-M ARM, B1.5.14 and B3.2.15. The firmware sees what the chip would show it; the bench is told more, since the
simulated core knows the exact instruction even of a store that the chip reports late.
"""

from __future__ import annotations

from dataclasses import dataclass

import unicorn

from hil.targets.sim.core.stops import Reason, Stop
from hil.targets.sim.peripherals.nvic import BUS_FAULT, HARD_FAULT, MEM_MANAGE, USAGE_FAULT

IACCVIOL = 1 << 0
IBUSERR, PRECISERR, IMPRECISERR, UNSTKERR, STKERR, BFARVALID = 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 15
UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED, DIVBYZERO = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24, 1 << 25
VECTTBL, FORCED, DEBUGEVT = 1 << 1, 1 << 30, 1 << 31  # HFSR
_STACK_REACH = 64 << 10  # bytes below the stack in which an access is taken for its overflow
_NEVER_CODE = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))  # execute-never in the default memory map
_NULL_BYTES = 0x100
ERASED = b"\xff\xff"
_SYSTEM = 0x1FFF_0000  # ST's own part of the flash
_PRIVATE = 0xE000_0000  # the core's own peripherals
_PRIVATE_END = 0xE010_0000


@dataclass(frozen=True)
class Fault:
    """kind and detail for a person, the rest for the core. exception: the one to raise unless it must escalate."""

    kind: str
    detail: str
    exception: int
    cfsr: int = 0
    hfsr: int = 0
    address: int | None = None  # of the failed access
    shows_address: bool = False  # in BFAR
    is_jump: bool = False  # pc is where it went, not where it came from


_SIMPLE = {
    Reason.NO_FPU: Fault("FPU used while it is off", "set CPACR in start-up", USAGE_FAULT, NOCP),
    Reason.DIVIDE_BY_ZERO: Fault("divide by zero", "the divisor is 0 and CCR.DIV_0_TRP is set", USAGE_FAULT, DIVBYZERO),
    Reason.UNALIGNED: Fault(
        "unaligned access", "LDRD, LDM, VLDR, their stores and exclusives need a word-aligned address",
        USAGE_FAULT, UNALIGNED,
    ),
    Reason.BREAKPOINT: Fault("breakpoint", "BKPT without a debugger", HARD_FAULT, hfsr=DEBUGEVT),
}  # fmt: skip


def explain(stop: Stop, opcode: bytes, stack: tuple[int, int] | None, stores_are_buffered: bool) -> Fault:
    """The fault that a stop is. stack: its lowest address and its top, where known; opcode: the instruction's bytes."""
    if stop.reason in (Reason.UNDEFINED, Reason.NO_FPU) and opcode[:2] == ERASED:
        detail = f"{stop.pc:#010x} holds no program: a bad jump or a bad function pointer"
        return Fault("execution of erased flash", detail, USAGE_FAULT, UNDEFINSTR)
    if stop.reason in _SIMPLE:
        return _SIMPLE[stop.reason]
    if stop.reason is Reason.UNDEFINED:
        return Fault("undefined instruction", f"opcode {opcode.hex(' ')}", USAGE_FAULT, UNDEFINSTR)
    if stop.reason is Reason.INVALID_STATE:
        return _bad_state(stop.pc)
    if stop.access in (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT):
        return _bad_jump(stop.pc)
    return _bad_access(stop, stack, stores_are_buffered)


def _bad_state(pc: int) -> Fault:
    if pc < _NULL_BYTES:
        return Fault("call through a null pointer", f"jump to {pc:#x}", USAGE_FAULT, INVSTATE, is_jump=True)
    return Fault("jump to an even address", f"{pc:#010x} is not Thumb code", USAGE_FAULT, INVSTATE, is_jump=True)


def _bad_jump(pc: int) -> Fault:
    if any(start <= pc < end for start, end in _NEVER_CODE):
        return Fault("jump outside code", f"{pc:#010x} is never executable", MEM_MANAGE, IACCVIOL, is_jump=True)
    return Fault("jump outside code", f"no code memory at {pc:#010x}", BUS_FAULT, IBUSERR, is_jump=True)


def _bad_access(stop: Stop, stack: tuple[int, int] | None, stores_are_buffered: bool) -> Fault:
    is_store = stop.access in (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_PROT)
    late = is_store and stores_are_buffered
    if _PRIVATE <= stop.address < _PRIVATE_END:
        kind = f"unprivileged {'write to' if is_store else 'read of'} the system space"
        return Fault(kind, f"{stop.address:#010x} is for privileged code", BUS_FAULT, PRECISERR | BFARVALID,
                     address=stop.address, shows_address=True)  # fmt: skip
    kind = f"{'write to' if is_store else 'read of'} unmapped memory"
    detail = f"{stop.size} bytes at {stop.address:#010x}"
    if stop.access == unicorn.UC_MEM_WRITE_PROT:
        kind = "write to flash" if stop.address < _SYSTEM else "write to system memory"
    elif stack and stack[0] - _STACK_REACH <= stop.address < stack[0]:
        kind = "stack overflow"
        below, size = stack[0] - stop.address, stack[1] - stack[0]
        detail = f"{detail}, {below} bytes below the {size} bytes of stack at {stack[0]:#010x}"
    return Fault(
        kind,
        detail,
        BUS_FAULT,
        IMPRECISERR if late else PRECISERR | BFARVALID,
        address=stop.address,
        shows_address=not late,
    )


def lost_frame(sp: int, stack: tuple[int, int] | None, unstacking: bool = False) -> Fault:
    """Exception entry (or return) found no memory for its frame at sp."""
    cfsr = UNSTKERR if unstacking else STKERR
    what = "exception return reads" if unstacking else "exception entry stores"
    detail = f"{what} its frame at {sp:#010x}, where there is no memory"
    kind = "stack overflow" if stack and stack[0] - _STACK_REACH <= sp < stack[0] else "bad stack pointer"
    return Fault(kind, detail, BUS_FAULT, cfsr, address=sp)
