"""A bare Cortex-M4 with its memory: runs one function of a program on the timing model, no firmware around it.

DWT->CYCCNT and SysTick count the model's cycles; nothing interrupts. What memory there is: memory.py.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import unicorn
from unicorn import arm_const
from unicorn.unicorn_py3.unicorn import uclib  # private: unicorn is pinned to 2.1.4

from hil.board import Board
from hil.errors import HilError
from hil.timing.compiled import codehook
from hil.timing.compiled.codehook import InstructionHooks, MovableHook
from hil.timing.compiled.engine import Engine, Mode
from hil.timing.compiled.hooks import on_block, on_instruction
from hil.timing.compiled.native import compile_meanwhile
from hil.timing.compiled.pages import PAGE, Pages
from hil.timing.compiled.pipeline import work_out
from hil.timing.cycles.memory import CoreMemory
from hil.timing.cycles.patience import Patience
from hil.timing.cycles.program import Program
from hil.timing.cycles.systick import SystemCounters
from hil.timing.statement import rules as catalogue
from hil.timing.statement.accelerator import STM32F4, Accelerator
from hil.timing.statement.flash import FlashSettings, canonical

_TRANSLATION_BYTES = 32 << 20  # or Unicorn reserves 1 GB of addresses
_ARGUMENT_REGISTERS = 4
_FPEXC_ENABLED = 1 << 30
_FP_REGISTERS, _FLOAT_REGISTERS = 32, 16
_FP_VALUE = 0x8000  # from the start of SRAM: what code finds that takes pointers out of FP registers nobody has set


@dataclass(frozen=True)
class Call:
    """What one call of a function took, and what it left in r0 and, as a float, in s0."""

    cycles: int
    instructions: int
    r0: int
    s0: float = 0.0


class Core:
    """A Cortex-M4 with a program in its memory."""

    def __init__(
        self,
        program: Program,
        board: Board,
        mode: Mode = "full",
        rules: frozenset[str] = catalogue.ALL,
        wait_states: int = 0,
        accelerator: Accelerator = STM32F4,
    ) -> None:
        compile_meanwhile(work_out)
        self._program, self._board = program, board
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self.uc.ctl_set_page_size(PAGE)  # blocks as the simulated board forms them
        self.uc.ctl_set_tcg_buffer_size(_TRANSLATION_BYTES)  # type: ignore[attr-defined]
        self.engine = Engine(
            mode,
            self.read,
            lambda register: int(self.uc.reg_read(register)),
            rules,
            board.timing,
            board.sdram is not None,
            board.bank_ends,
        )
        self._flash = FlashSettings(wait_states, accelerator=accelerator)
        self.engine.set_flash(self._flash)
        self._pages = Pages(self.uc, self._add_hook)
        self._patience = Patience(lambda: self.engine.set_deadline(0))
        self._memory = CoreMemory(self.uc, board, SystemCounters(self._now), self._patience)
        self._memory.load((segment.address, segment.data) for segment in program.segments)
        self.uc.reg_write(arm_const.UC_ARM_REG_FPEXC, _FPEXC_ENABLED)
        self.engine.load_registers(self.uc)
        self.stop = self._free_flash()
        self._fault: tuple[int, int] | None = None
        self._hook()

    def prepare(self, functions: Sequence[int], stack: int, timeout_cycles: int) -> None:
        """Call functions that are not timed, such as constructors; then the flash's caches are empty again."""
        for address in functions:
            self.call(address, (), stack, timeout_cycles)
        self.engine.set_flash(self._flash)

    def call(
        self, address: int, arguments: Sequence[int], stack: int, timeout_cycles: int, floats: Sequence[int] = ()
    ) -> Call:
        """Call a function as C does (AAPCS). Raises HilError if it faults or does not return in time.

        arguments: words for core registers and stack; floats: for S registers, as bits. Cycles run from the function's
        first instruction to the arrival at its return address.
        """
        uc, engine = self.uc, self.engine
        self._pass(arguments, floats, stack)
        uc.reg_write(arm_const.UC_ARM_REG_LR, self.stop | 1)
        cycles, instructions = engine.cycles, engine.instructions
        engine.start()
        engine.set_deadline(cycles + timeout_cycles)
        self._patience.begin()
        pc = self._run(address)
        if pc != self.stop and self._patience.why:
            raise HilError(
                f"{self._program.path}: the function at {self._program.describe(address)} did not return, "
                f"{self._patience.why}; it was at {self._program.describe(pc)}"
            )
        if pc != self.stop and engine.cycles < cycles + timeout_cycles:
            raise HilError(
                f"{self._program.path}: the core went to sleep before {self._program.describe(pc)} (WFI or WFE): "
                "nothing interrupts it here; time the function without it"
            )
        if pc != self.stop:
            raise HilError(
                f"{self._program.path}: the function at {self._program.describe(address)} did not return within "
                f"{timeout_cycles} cycles; it was at {self._program.describe(pc)}: raise --timeout-cycles, "
                "or is it a main loop?"
            )
        engine.finish(self.stop)
        r0, s0 = uc.reg_read(arm_const.UC_ARM_REG_R0), uc.reg_read(arm_const.UC_ARM_REG_S0)
        as_float: float = struct.unpack("<f", struct.pack("<I", s0 & 0xFFFF_FFFF))[0]
        return Call(engine.cycles - cycles, engine.instructions - instructions, r0, as_float)

    def _run(self, pc: int) -> int:
        """Execute until something ends it; returns where."""
        while True:
            try:
                self.uc.emu_start(pc | 1, self.stop)
            except unicorn.UcError as error:
                raise self._died(error) from None
            if self.engine.problem:
                raise self.engine.problem
            pc = self.uc.reg_read(arm_const.UC_ARM_REG_PC) & ~1
            if not self.engine.translate_anew():
                return pc

    # -- set-up

    def _free_flash(self) -> int:
        """An address in flash that the program does not use, to return to."""
        stop = self._board.flash.end - 16
        while any(segment.address < stop + 16 and stop < segment.end for segment in self._program.segments):
            stop -= 16
            if stop < self._board.flash.origin:
                raise HilError(f"{self._program.path} fills the flash: no address is left to return to")
        return stop

    def _hook(self) -> None:
        sram = self._board.sram
        self.uc.hook_add(unicorn.UC_HOOK_EDGE_GENERATED, self._on_translated, None, sram.origin, sram.end - 1)
        arena = self.engine.arena.ctypes.data
        self._add_hook(unicorn.UC_HOOK_BLOCK, on_block.address, arena)
        if self.engine.mode == "full":
            kind, function = unicorn.UC_HOOK_CODE, on_instruction.address
            self.engine.add_hook(
                MovableHook(self.uc, self._add_hook(kind, function, arena, codehook.BEGIN, codehook.END))
            )
        else:
            self.engine.hook_instructions(InstructionHooks(self.uc, self._hook_instructions))
        ends = [0, *(memory.end for memory in sorted(self._board.rams, key=lambda one: one.origin))]
        starts = [*sorted(memory.origin for memory in self._board.rams), 1 << 32]
        for first, last in zip(ends, starts, strict=True):  # a hook that RAM lies under makes its stores slow
            self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_fault, None, first, last - 1)

    def _hook_instructions(self, first: int, last: int) -> None:
        arena = self.engine.arena.ctypes.data
        self._add_hook(unicorn.UC_HOOK_CODE, on_instruction.address, arena, first, last)

    def _add_hook(self, kind: int, function: int, user_data: int, begin: int = 1, end: int = 0) -> int:
        """A native hook on a range, everywhere if begin > end; its handle."""
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self.uc._uch, ctypes.byref(handle), ctypes.c_int(kind), ctypes.c_void_p(function),
            ctypes.c_void_p(user_data), ctypes.c_uint64(begin), ctypes.c_uint64(end),
        )  # fmt: skip
        if status != unicorn.UC_ERR_OK:
            raise HilError(f"Unicorn refused a hook (status {status}): is unicorn 2.1.4 installed?")
        return int(handle.value)

    def _on_translated(self, *_: object) -> None:
        self._patience.translate()

    def _on_fault(self, uc: unicorn.Uc, access: int, address: int, size: int, value: int, data: object) -> bool:
        self._fault = access, address
        return False

    def _pass(self, arguments: Sequence[int], floats: Sequence[int], stack: int) -> None:
        """r0 to r3, the rest on the stack, 8-byte aligned. FP registers without a float hold an address in SRAM."""
        uc, rest = self.uc, [*floats[_FLOAT_REGISTERS:], *arguments[_ARGUMENT_REGISTERS:]]
        if not any(memory.origin < stack <= memory.end for memory in self._board.rams):
            raise HilError(
                f"--sp {stack:#010x} is in no RAM of the {self._board.chip}: "
                f"the top of SRAM is {self._board.sram.end:#010x}"
            )
        stack = (stack & ~7) - (len(rest) * 4 + 7 & ~7)
        uc.mem_write(stack, struct.pack(f"<{len(rest)}I", *(word & 0xFFFF_FFFF for word in rest)))
        uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        for number in range(_FP_REGISTERS):
            value = floats[number] if number < min(len(floats), _FLOAT_REGISTERS) else None
            unset = self._board.sram.origin + _FP_VALUE
            uc.reg_write(arm_const.UC_ARM_REG_S0 + number, unset if value is None else value)
        for number in range(_ARGUMENT_REGISTERS):
            word = arguments[number] if number < len(arguments) else 0
            uc.reg_write(arm_const.UC_ARM_REG_R0 + number, word & 0xFFFF_FFFF)

    # -- while it runs

    def read(self, address: int, size: int) -> bytes:
        """Code bytes; fewer at the end of memory."""
        for memory in (self._board.flash, self._board.sram):
            if memory.origin <= address < memory.end:
                return bytes(self.uc.mem_read(address, min(size, memory.end - address)))
        return b""

    def _can_run(self, pc: int) -> bool:
        return bool(self.read(canonical(pc), 2))

    def _now(self, address: int) -> int:
        """The cycle of the access to a counter at an address that is being made."""
        return self.engine.access_cycle(address)

    def _died(self, error: unicorn.UcError) -> HilError:
        pc = self.uc.reg_read(arm_const.UC_ARM_REG_PC) & ~1
        place = f"{self._program.path}: at {self._program.describe(pc)}"
        if error.errno == unicorn.UC_ERR_INSN_INVALID:
            code = self.read(pc, 4).hex(" ")
            return HilError(f"{place} the bytes {code} are no instruction of a Cortex-M4: did the code run into data?")
        if self._fault is None and error.errno == unicorn.UC_ERR_EXCEPTION and not self._can_run(pc):
            self._fault = unicorn.UC_MEM_FETCH_PROT, pc
        if self._fault:
            access, target = self._fault
            kinds = {
                unicorn.UC_MEM_READ_UNMAPPED: "read", unicorn.UC_MEM_WRITE_UNMAPPED: "written",
                unicorn.UC_MEM_WRITE_PROT: "written", unicorn.UC_MEM_READ_PROT: "read",
            }  # fmt: skip
            verb = kinds.get(access, "used")
            if access in (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT):
                return HilError(
                    f"{self._program.path}: code would have to run from {target:#010x}: the {self._board.chip} runs it "
                    "from flash and SRAM only (CCM has no instruction bus): link it there, or is a return address lost?"
                )
            return HilError(
                f"{place} {target:#010x} is {verb}, which the {self._board.chip} cannot do there: are the --arg right?"
            )
        return HilError(f"{place} the core raised an exception ({error}): SVC, BKPT and faults have no handler here")
