"""The Cortex-M4 core: Unicorn with the native block hook, run from one stop to the next.

Unicorn executes the instructions. Whatever it leaves to others (exceptions, faults it does not raise, time) ends the
run with a Stop that says why and where; the board deals with it and runs on.
"""

from __future__ import annotations

import ctypes
import logging
from functools import partial

import unicorn
from unicorn import arm_const as uc_arm

from hil.board import Board
from hil.targets.sim.core import unicorn_api
from hil.targets.sim.core.blocks import Block, decode, step_bytes, uses_fpu
from hil.targets.sim.core.blocktable import BlockTable
from hil.targets.sim.core.memory import Memory
from hil.targets.sim.core.stops import OF_HOOK, OF_INTERRUPT, NeedsExactPc, Reason, Stop, Trap, check_reason
from hil.targets.sim.core.watched import WatchedInstructions
from hil.timing.compiled import blockhook as hook
from hil.timing.compiled.pages import PAGE, Pages
from hil.timing.compiled.registers import places
from hil.timing.cost_model import CostModel
from hil.timing.machine import Machine

log = logging.getLogger(__name__)

NOWHERE = 0x0008_0000 - 2  # where emu_start would end by itself: in flash's alias at 0, from which nothing runs
TCG_BUFFER = 32 << 20  # the default reserves 1 GB of address space
_HINTS = {0xBF20: Reason.WAIT_FOR_EVENT, 0xBF10: Reason.YIELD}  # which Unicorn calls invalid, with PC past them
_NUMBERS = {uc_arm.UC_ARM_REG_R0 + n: n for n in range(13)}
_NUMBERS |= {uc_arm.UC_ARM_REG_SP: 13, uc_arm.UC_ARM_REG_LR: 14, uc_arm.UC_ARM_REG_PC: 15}
STEP_BYTES = 2 + 4 * 4  # an IT and four instructions under it


class Core:
    """One core with its memories. Time is in cycles of its clock and never goes back."""

    def __init__(self, board: Board, model: CostModel) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(uc_arm.UC_CPU_ARM_CORTEX_M4)
        self.uc.ctl_set_page_size(PAGE)
        self.uc.ctl_set_tcg_buffer_size(TCG_BUFFER)  # type: ignore[attr-defined]
        self._pages = Pages(self.uc, partial(unicorn_api.add_native_hook, self.uc))
        self.memory = Memory(self.uc, board)
        self.model = model
        self._trap = Trap()
        self._running = False
        self._closed_sdram: int | None = None  # the hook on its addresses while nothing answers there
        self._block_end = 0  # of the block that a debugger has stopped in
        self.stop_at = NOWHERE  # an address that is never executed
        self._table = BlockTable(board, self.memory)
        self.words = self._table.words
        self.words[hook.REGISTERS] = place = places(self.uc).core
        self._registers = memoryview((ctypes.c_uint32 * 16).from_address(place)).cast("B").cast("I") if place else None
        self._watched = WatchedInstructions(self.uc, self._table, self.memory, model)
        self._first_sight = unicorn_api.FIRST_SIGHT_CALLBACK(self._on_first_sight)  # kept: the hook holds its address
        self.words[hook.FN_FIRST_SIGHT] = unicorn_api.function_address(self._first_sight)
        self._add_hooks()
        seen = self.uc, self._table.state, self.memory.read, self._add_model_hook
        model.attach(Machine(*seen, board.sdram is not None, board.bank_ends))

    def _add_hooks(self) -> None:
        uc = self.uc
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_BLOCK, self.model.hook_address, self._table.address)
        self._interrupted = unicorn_api.INTERRUPT_CALLBACK(self._on_interrupt)  # kept, as _first_sight
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_INTR, unicorn_api.function_address(self._interrupted), 0)
        uc.hook_add(unicorn.UC_HOOK_INSN_INVALID, self._on_invalid)
        for first, last in self.memory.gaps:  # a hook that RAM lies under, even if never called, makes its stores slow
            uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_memory, None, first, last)

    def open_sdram(self) -> None:
        """Its controller has brought the SDRAM up: the core can reach it."""
        if self._closed_sdram is not None:
            self.uc.hook_del(self._closed_sdram)
            self._closed_sdram = None
            self.memory.open_sdram(self.uc)

    @property
    def sdram_is_open(self) -> bool:
        return self._closed_sdram is None

    def close_sdram(self) -> None:
        """Nothing answers at the SDRAM's addresses."""
        sdram = self.memory.sdram
        if self._closed_sdram is None and sdram is not None:
            self.memory.close_sdram(self.uc)
            first, last = sdram.origin, sdram.end - 1
            self._closed_sdram = self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_memory, None, first, last)

    def _add_model_hook(self, kind: int, function: int, begin: int, end: int) -> int:
        return unicorn_api.add_native_hook(self.uc, kind, function, self._table.address, begin, end)

    # -- time

    @property
    def now(self) -> int:
        """The cycle it is, while the core runs that at which the present block was entered."""
        return self._block_start if self._running else self.words[hook.CYCLES]

    @property
    def _block_start(self) -> int:
        """When the block that runs was entered, also where it was broken off in between."""
        words = self.words
        return words[hook.RESUMED_START if words[hook.BLOCKS] == words[hook.RESUMED] else hook.BLOCK_START]

    def exact_now(self) -> int:
        """The cycle at which the instruction that is accessing a register started.

        Raises NeedsExactPc where that instruction is not known yet; then the caller must have no effect. The first
        answer to an instruction under an IT is the cycle at which its block was entered.
        """
        words = self.words
        if not self._running:
            return words[hook.CYCLES]
        if words[hook.EXACT_BLOCK] != words[hook.BLOCKS]:
            return self._inexact_now(self._table[words[hook.BLOCK]])
        words[hook.EXACT_BLOCK] = 0
        return words[hook.BLOCK_START] + self.model.cycles_before(words[hook.BLOCK], words[hook.EXACT_PC])

    def _inexact_now(self, block: Block) -> int:
        """The cycle for an access by an instruction that has no hook yet."""
        if not block.has_it:
            raise NeedsExactPc
        # The access is repeated unless it is under the IT, where Unicorn does not stop: then this answer counts. So it
        # is given in any case, and for the next time every load and store of the block is hooked.
        if self._watched.want_clock_accesses(block):
            self.repeat_access()
        return self.words[hook.BLOCK_START]

    @property
    def executed(self) -> int:
        """Instructions so far; while the core runs, those of the present block included."""
        return self.words[hook.INSTRUCTIONS]

    @property
    def state_address(self) -> int:
        """Of the block hook's array, for hooks of others."""
        return self._table.address

    def advance(self, cycle: int) -> None:
        """Let time pass while nothing executes."""
        self.words[hook.CYCLES] = max(self.words[hook.CYCLES], cycle)

    def spend(self, cycles: int) -> None:
        """Charge what takes time without being an instruction, such as exception entry."""
        self.words[hook.CYCLES] += cycles

    def set_deadline(self, next_event: int, pending_level: int | None) -> None:
        """When the hook must look up: at an event's cycle, or at once if an exception of that group priority waits."""
        words = self.words
        words[hook.NEXT_EVENT] = next_event
        words[hook.PENDING] = pending_level is not None
        if pending_level is not None:
            words[hook.PENDING_LEVEL] = pending_level + hook.LEVEL_BIAS
        words[hook.DEADLINE] = next_event if pending_level is None else 0

    # -- the stack, watched from outside

    def watch_stack(self, limit: int, top: int) -> None:
        """Note the lowest stack pointer between two addresses, and stop before one below `limit` (0: no limit)."""
        self.words[hook.STACK_LIMIT], self.words[hook.STACK_TOP] = limit, top
        self.words[hook.STACK_LOW] = top

    def note_stack(self, pointer: int) -> None:
        """A stack pointer that exception entry made."""
        words = self.words
        if words[hook.STACK_LIMIT] <= pointer < words[hook.STACK_LOW]:
            words[hook.STACK_LOW] = pointer

    @property
    def stack_low(self) -> int:
        """The lowest stack pointer since watch_stack()."""
        return self.words[hook.STACK_LOW]

    def origin_of_jump(self, pc: int) -> int:
        """Where the jump to pc, which went wrong, was made: the last halfword of the block before."""
        words = self.words
        was_entered = words[hook.BLOCK] == pc
        return (words[hook.CAME_FROM] if was_entered else words[hook.BLOCK] + words[hook.BLOCK_SIZE]) - 2

    def instructions_in(self, block: int) -> int:
        """How many instructions a block that has run has."""
        return self._table[block].instructions

    # -- registers

    def register(self, register: int) -> int:
        """A core register by its UC_ARM_REG id, as uint32."""
        if self._registers and register in _NUMBERS:
            return self._registers[_NUMBERS[register]]
        return unicorn_api.read_register(self.uc, register)

    def set_register(self, register: int, value: int) -> None:
        """The opposite of register()."""
        unicorn_api.write_register(self.uc, register, value)

    # -- running

    def run(self, pc: int, is_mid_block: bool = False) -> Stop:
        """Execute from pc until something stops the core. is_mid_block: as the stop before said."""
        if is_mid_block:
            self._let_go(self._block_start)
        return self._run_to(pc)

    def _run_to(self, pc: int, until: int | None = None) -> Stop:
        while True:
            stop = self._run_once(pc, until)
            if stop is not None:
                return stop
            pc = self.register(uc_arm.UC_ARM_REG_PC)

    def pass_over(self, pc: int | None) -> None:
        """Do not stop for a debugger the next time that the instruction at pc is executed."""
        self.words[hook.SKIP_STOP] = 1 if pc is None else pc  # no address is odd

    def _let_go(self, start: int) -> None:
        """What runs next is not asked whether anything waits: a block that was entered at a cycle goes on."""
        words = self.words
        words[hook.RESUMED], words[hook.RESUMED_START] = words[hook.BLOCKS] + 1, start

    def step(self, pc: int, is_mid_block: bool) -> Stop:
        """Execute one instruction, or an IT and what is under it. The cycles are those without stepping.

        A deadline must have been set that has come, so that the core stops behind a block's last instruction.
        """
        if not is_mid_block:
            self._block_end = pc + self._natural_size(pc)
        end = self._block_end
        following = pc + step_bytes(self.memory.read(pc, min(end - pc, STEP_BYTES)))
        self._let_go(self._block_start if is_mid_block else self.now)
        if following >= end:
            return self._run_to(pc)
        self.uc.ctl_remove_cache(pc, end)  # an end address counts when code is translated
        stop = self._run_to(pc, following)
        self.uc.ctl_remove_cache(pc, end)
        if stop.reason is Reason.SLEEP and stop.pc == following:
            return Stop(Reason.DEBUG, following, is_mid_block=True)
        return stop

    def _natural_size(self, pc: int) -> int:
        """Bytes of the block at pc as Unicorn cuts it; the cost model has then seen it as a whole."""
        try:
            size: int = self.uc.ctl_request_cache(pc)[2]
        except unicorn.UcError:  # nothing can be executed there: the core will say what
            return STEP_BYTES
        self.model.see(pc, size)
        return size

    def request_stop(self) -> None:
        """Make the core stop before its next block. Safe in a register callback, where uc_emu_stop is not."""
        self.words[hook.STOP] = hook.STOP_HOST
        self.words[hook.DEADLINE] = 0

    def fail(self, error: BaseException) -> None:
        """Have run() raise an error that a register callback met."""
        self._trap.error = self._trap.error or error
        self.request_stop()

    def refuse_unprivileged(self, address: int, size: int, is_store: bool) -> bool:
        """Whether code without privileges is accessing the private peripherals: a bus fault (ARMv7-M ARM, B3.1)."""
        if not self.register(uc_arm.UC_ARM_REG_CONTROL) & 1 or self.register(uc_arm.UC_ARM_REG_IPSR) & 0x1FF:
            return False
        self._trap.memory = (unicorn.UC_MEM_WRITE_PROT if is_store else unicorn.UC_MEM_READ_PROT, address, size)
        unicorn_api.stop(self.uc)
        return True

    def repeat_access(self) -> None:
        """End the run at the very instruction whose register access is being served; it will be executed again."""
        self._trap.clock_access = True
        unicorn_api.stop(self.uc)

    def _run_once(self, pc: int, until: int | None = None) -> Stop | None:
        """One uc_emu_start. None: only something of the core's own had to be seen to; run on."""
        until = self.stop_at if until is None else until
        trap = self._trap = Trap()
        words = self.words
        words[hook.STOP], words[hook.HELD] = words[hook.HELD], hook.STOP_NONE
        words[hook.EXACT_BLOCK] = 0
        self._running = True
        code = unicorn_api.start(self.uc, pc | 1, until)
        self._running = False
        pc = self.register(uc_arm.UC_ARM_REG_PC)
        error = trap.error or self.model.problem
        if error:
            raise error
        if trap.clock_access:
            self._settle(pc)
            self._watched.add_clock_access(pc)
            self._let_go(self._block_start)
            return None
        why = words[hook.STOP]
        if why == hook.STOP_NONE or (why == hook.STOP_DEBUG and (trap.has_any or code)):
            return self._explain_trap(trap, code, pc)
        return self._explain_hook_stop(why, pc)

    def _explain_trap(self, trap: Trap, code: int, pc: int) -> Stop:
        """What Unicorn reported by itself."""
        if trap.interrupt is not None:
            self._settle(pc)
            return Stop(OF_INTERRUPT.get(trap.interrupt, Reason.UNDEFINED), pc)
        if trap.memory is not None:
            access, address, size = trap.memory
            if access in (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT):
                pc = address & ~1  # the jump has been made
            self._settle(pc)
            return Stop(Reason.MEMORY, pc, access, address, size)
        if code == unicorn.UC_ERR_EXCEPTION and not trap.is_invalid:  # a jump to a page without the right to execute
            self._settle(pc)
            return Stop(Reason.MEMORY, pc, unicorn.UC_MEM_FETCH_PROT, pc, 2)
        if trap.is_invalid or code:
            return self._explain_invalid(pc, code)
        self._settle(pc)
        return Stop(Reason.ARRIVED if pc == self.stop_at else Reason.SLEEP, pc)

    def _explain_invalid(self, pc: int, code: int) -> Stop:
        self._settle(pc)
        if code in (unicorn.UC_ERR_READ_UNALIGNED, unicorn.UC_ERR_WRITE_UNALIGNED):
            return Stop(Reason.UNALIGNED, pc)
        if not self.register(uc_arm.UC_ARM_REG_XPSR) >> 24 & 1:
            return Stop(Reason.INVALID_STATE, pc)
        region = self.memory.find(pc - 2, 2)
        before = int.from_bytes(self.memory.read(pc - 2, 2), "little") if region else 0
        return Stop(_HINTS.get(before, Reason.UNDEFINED), pc)

    def _explain_hook_stop(self, why: int, pc: int) -> Stop | None:
        """What the block hook stopped for; it did so before the block at pc."""
        words = self.words
        if why == hook.STOP_MODEL:
            self.model.go_on()
            return None
        if why == hook.STOP_HOST and self._watched.add_late_checks():
            return None
        if why == hook.STOP_CHECK:
            check = self._table[pc].checks[words[hook.SUSPECT]]
            return self._run_up_to(pc, check.pc, check_reason(check.kind))
        if why == hook.STOP_FPU:
            code = decode(pc, self.memory.read(pc, self._table[pc].size))
            first = next(instruction.address for instruction in code if uses_fpu(instruction))
            return self._run_up_to(pc, first, Reason.NO_FPU)
        if why == hook.STOP_LATE:
            address = words[hook.SUSPECT]
            self._settle(address)
            return Stop(check_reason(self._watched.late_kind(address)), address)
        if why == hook.STOP_DEBUG:
            return self._explain_debug_stop(pc)
        if why == hook.STOP_STACK:
            words[hook.SKIP_CHECKS] = pc
        if why != hook.STOP_STACK and not self.register(uc_arm.UC_ARM_REG_XPSR) >> 24 & 1:
            return Stop(Reason.INVALID_STATE, pc)  # branched to as ARM code, which the next start would hide
        return Stop(OF_HOOK[why], pc)

    def _explain_debug_stop(self, pc: int) -> Stop:
        """Before an instruction, or at a block's border where that could not be."""
        if pc != self.words[hook.SUSPECT]:
            return Stop(Reason.DEBUG, pc)
        self._block_end = self.words[hook.BLOCK] + self.words[hook.BLOCK_SIZE]
        is_mid_block = pc != self.words[hook.BLOCK]
        self._settle(pc)
        return Stop(Reason.DEBUG, pc, is_mid_block=is_mid_block)

    def _run_up_to(self, block: int, pc: int, reason: Reason) -> Stop:
        """Execute the block's instructions before the one at pc, which will fault, and report that."""
        if pc != block:
            size = self._table[block].size
            self.uc.ctl_remove_cache(block, block + size)  # an end address counts when code is translated
            self.words[hook.SKIP_CHECKS] = block
            stop = self._run_once(block, until=pc)
            while stop is None:
                stop = self._run_once(self.register(uc_arm.UC_ARM_REG_PC), until=pc)
            self.uc.ctl_remove_cache(block, block + size)
            if stop.pc != pc or stop.reason is not Reason.SLEEP:
                return stop
        return Stop(reason, pc)

    def _settle(self, pc: int) -> None:
        """The block now running has stopped before pc, or has left for it: charge it, without what did not run."""
        self.model.break_off(pc)
        words = self.words
        block, size = words[hook.BLOCK], words[hook.BLOCK_SIZE]
        if not block <= pc < block + size:
            return
        words[hook.INSTRUCTIONS] -= sum(1 for _ in decode(pc, self.memory.read(pc, block + size - pc)))
        words[hook.PREV_END] = pc
        words[hook.BLOCK_SIZE] = pc - block

    # -- callbacks of Unicorn

    def _on_interrupt(self, _uc: int, number: int, _data: int) -> None:
        self._trap.interrupt = number
        unicorn_api.stop(self.uc)

    def _on_invalid(self, _uc: unicorn.Uc, _data: object) -> bool:
        self._trap.is_invalid = True
        return False

    def _on_bad_memory(self, _uc: unicorn.Uc, access: int, address: int, size: int, _value: int, _data: object) -> bool:
        self._trap.memory = (access, address, size)
        return False

    def _on_first_sight(self, address: int, size: int) -> None:
        """Called by the block hook, without a way to raise: errors wait for the run's end."""
        try:
            if self._watched.want_late_checks(self._table.see(address, size)):
                self.request_stop()
        except Exception as error:
            self.fail(error)
