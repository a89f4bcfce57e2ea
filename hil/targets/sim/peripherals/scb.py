"""System control block: vector table, fault status, system exceptions, reset, FPU access (ARMv7-M ARM, B3.2)."""

from __future__ import annotations

from collections.abc import Callable

from hil.targets.base import TargetError
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals import nvic as exceptions
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.registers import RegisterFile
from hil.timing.compiled import blockhook as hook

CPUID, ICSR, VTOR, AIRCR, SCR, CCR, SHPR1, SHCSR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14, 0xD18, 0xD24
CFSR, HFSR, DFSR, MMFAR, BFAR, CPACR = 0xD28, 0xD2C, 0xD30, 0xD34, 0xD38, 0xD88
ACTLR, FPCCR, MPU_CTRL = 0x008, 0xF34, 0xD94
CPUID_M4_R0P1 = 0x410F_C241
_KEY, _KEY_READ = 0x05FA, 0xFA05
_SLEEPONEXIT = 1 << 1
_UNALIGN_TRP, _DIV_0_TRP, _STKALIGN = 1 << 3, 1 << 4, 1 << 9
_DISDEFWBUF = 1 << 1
_PRIVDEFENA = 1 << 2  # of MPU_CTRL
_SHCSR_ENABLES = {16: exceptions.MEM_MANAGE, 17: exceptions.BUS_FAULT, 18: exceptions.USAGE_FAULT}
_SHCSR_PENDING = {
    12: exceptions.USAGE_FAULT,
    13: exceptions.MEM_MANAGE,
    14: exceptions.BUS_FAULT,
    15: exceptions.SV_CALL,
}
_SHCSR_ACTIVE = {0: exceptions.MEM_MANAGE, 1: exceptions.BUS_FAULT, 3: exceptions.USAGE_FAULT, 7: exceptions.SV_CALL}
_SHCSR_ACTIVE |= {8: exceptions.DEBUG_MONITOR, 10: exceptions.PEND_SV, 11: exceptions.SYS_TICK}


class Scb(RegisterFile):
    """Registers from 0xE000ED00, ACTLR and FPCCR; offsets from 0xE000E000."""

    RESET = {
        CPUID: CPUID_M4_R0P1, CCR: _STKALIGN, FPCCR: 0xC000_0000,
        0xD40: 0x30, 0xD44: 0x200, 0xD50: 0x30,  # ID_PFR0, ID_PFR1, ID_MMFR0
        # ID_ISAR0 to 4
        0xD60: 0x0110_1110, 0xD64: 0x0211_2000, 0xD68: 0x2123_2231, 0xD6C: 0x0111_1131, 0xD70: 0x0131_0132,
        0xF40: 0x1011_0021, 0xF44: 0x1100_0011,  # MVFR0, MVFR1
    }  # fmt: skip

    def __init__(self, core: Core, nvic: Nvic, request_reset: Callable[[], None]) -> None:
        self._core, self._nvic, self._request_reset = core, nvic, request_reset
        super().__init__()

    def reset(self) -> None:
        super().reset()
        words = self._core.words
        words[hook.FPU_OFF], words[hook.DIVIDE_TRAP] = 1, 0
        words[at.VECTORS], words[at.ALIGNS_STACK], words[at.SLEEPS_ON_EXIT] = 0, 1, 0

    # -- what the rest of the core wants to know

    @property
    def vector_table(self) -> int:
        return self.values.get(VTOR, 0)

    @property
    def stores_are_buffered(self) -> bool:
        return not self.values.get(ACTLR, 0) & _DISDEFWBUF

    def note_fault(
        self, cfsr: int, hfsr: int = 0, bus_address: int | None = None, mem_address: int | None = None
    ) -> None:
        """Add to the fault status registers."""
        self.values[CFSR] = self.values.get(CFSR, 0) | cfsr
        self.values[HFSR] = self.values.get(HFSR, 0) | hfsr
        if bus_address is not None:
            self.values[BFAR] = bus_address
        if mem_address is not None:
            self.values[MMFAR] = mem_address

    # -- registers

    def read(self, offset: int) -> int:
        if offset == ICSR:
            return self._read_icsr()
        if offset == AIRCR:
            return _KEY_READ << 16 | self._nvic.group_shift << 8
        if SHPR1 <= offset < SHPR1 + 12:
            first = 4 + offset - SHPR1
            return int.from_bytes(self._nvic.priorities[first : first + 4], "little")
        if offset == SHCSR:
            return self._read_shcsr()
        return super().read(offset)

    def peek(self, offset: int) -> int:
        return (
            0 if offset in (CFSR, HFSR, ICSR) else self.read(offset)
        )  # written ones clear or set: leave the others be

    def write(self, offset: int, value: int) -> None:
        if offset in (CFSR, HFSR, DFSR):  # write one to clear
            self.values[offset] = self.values.get(offset, 0) & ~value
        elif offset == ICSR:
            self._write_icsr(value)
        elif offset == AIRCR:
            self._write_aircr(value)
        elif SHPR1 <= offset < SHPR1 + 12:
            self._nvic.write_system_priorities(4 + offset - SHPR1, value)
        elif offset == SHCSR:
            self._write_shcsr(value)
        elif offset == CCR:
            self._write_ccr(value)
        elif offset == CPACR:
            self.values[CPACR] = value & 0x00F0_0000
            self._core.words[hook.FPU_OFF] = value >> 20 & 0xF != 0xF
        elif offset == VTOR:
            self.values[VTOR] = self._core.words[at.VECTORS] = value & ~0x7F
        elif offset == SCR:
            self.values[SCR] = value
            self._core.words[at.SLEEPS_ON_EXIT] = bool(value & _SLEEPONEXIT)
        elif offset == MPU_CTRL and value & (_PRIVDEFENA | 1) == 1:
            raise TargetError(
                "the firmware switches the MPU on without the default map for privileged code: the simulated board "
                "knows no regions, set PRIVDEFENA"
            )
        elif offset not in self.RESET or offset == FPCCR:  # the identification registers are read-only
            self.values[offset] = value

    def _write_ccr(self, value: int) -> None:
        if value & _UNALIGN_TRP:
            raise TargetError(
                "the firmware sets CCR.UNALIGN_TRP, which the simulated board does not model: leave it clear"
            )
        self.values[CCR] = value
        self._core.words[hook.DIVIDE_TRAP] = bool(value & _DIV_0_TRP)
        self._core.words[at.ALIGNS_STACK] = bool(value & _STKALIGN)

    def _read_icsr(self) -> int:
        nvic = self._nvic
        vector = nvic.active[-1] if nvic.active else 0
        best = nvic.next() or 0
        alone = len(nvic.active) <= 1
        pending = {31: exceptions.NMI, 28: exceptions.PEND_SV, 26: exceptions.SYS_TICK}
        bits = sum(1 << bit for bit, exception in pending.items() if nvic.pending >> exception & 1)
        interrupt = nvic.pending >> exceptions.IRQ0 != 0
        return bits | interrupt << 22 | best << 12 | alone << 11 | vector

    def _write_icsr(self, value: int) -> None:
        for bit, exception, pending in (
            (31, exceptions.NMI, True), (28, exceptions.PEND_SV, True), (27, exceptions.PEND_SV, False),
            (26, exceptions.SYS_TICK, True), (25, exceptions.SYS_TICK, False),
        ):  # fmt: skip
            if value >> bit & 1:
                self._nvic.set_pending(exception, pending)

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != _KEY:
            return
        self._nvic.group_shift = value >> 8 & 7
        if value & 1 << 2:
            self._request_reset()

    def _read_shcsr(self) -> int:
        nvic = self._nvic
        value = sum(1 << bit for bit, exception in _SHCSR_ENABLES.items() if nvic.enabled >> exception & 1)
        value |= sum(1 << bit for bit, exception in _SHCSR_PENDING.items() if nvic.pending >> exception & 1)
        return value | sum(1 << bit for bit, exception in _SHCSR_ACTIVE.items() if exception in nvic.active)

    def _write_shcsr(self, value: int) -> None:
        for bit, exception in _SHCSR_ENABLES.items():
            if value >> bit & 1:
                self._nvic.enabled |= 1 << exception
            else:
                self._nvic.enabled &= ~(1 << exception)
        for bit, exception in _SHCSR_PENDING.items():
            self._nvic.set_pending(exception, bool(value >> bit & 1))
