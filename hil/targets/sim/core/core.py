"""The Cortex-M4 core: Unicorn with the native block hook, run from one stop to the next.

Unicorn executes the instructions. Whatever it leaves to others (exceptions, faults it does not raise, time) ends the
run with a Stop that says why and where; the board deals with it and runs on.
"""

from __future__ import annotations

import logging
from functools import partial

import unicorn
from unicorn import arm_const as uc_arm

from hil.board import Board
from hil.targets.sim.core import running, unicorn_api
from hil.targets.sim.core import words as at
from hil.targets.sim.core.blocks import Block, decode, step_bytes, uses_fpu
from hil.targets.sim.core.rewriting import Rewriting
from hil.targets.sim.core.state import CoreState
from hil.targets.sim.core.stops import OF_HOOK, OF_INTERRUPT, OF_RUN, NeedsExactPc, Reason, Stop, Trap, check_reason
from hil.targets.sim.core.watched import WatchedInstructions
from hil.timing.compiled import blockhook as hook
from hil.timing.compiled.pages import Pages
from hil.timing.cost_model import CostModel
from hil.timing.machine import Machine

log = logging.getLogger(__name__)

_HINTS = {0xBF20: Reason.WAIT_FOR_EVENT, 0xBF10: Reason.YIELD}  # which Unicorn calls invalid, with PC past them
STEP_BYTES = 2 + 4 * 4  # an IT and four instructions under it


def run_native(state: int) -> int:
    """hil.targets.sim.core.running.run; the interpreter's lock is free while the core runs."""
    why: int = running.run.ctypes(state)
    return why


class Core(CoreState):
    """One core that runs."""

    def __init__(self, board: Board, model: CostModel) -> None:
        super().__init__(board)
        self._pages = Pages(self.uc, partial(unicorn_api.add_native_hook, self.uc))
        self.model = model
        self._trap = Trap()
        self._closed_sdram: int | None = None  # the hook on its addresses while nothing answers there
        self._block_end = 0  # of the block that a debugger has stopped in
        self._watched = WatchedInstructions(self.uc, self._table, self.memory, model)
        self._first_sight = unicorn_api.FIRST_SIGHT_CALLBACK(self._on_first_sight)  # kept: the hook holds its address
        self.words[hook.FN_FIRST_SIGHT] = unicorn_api.function_address(self._first_sight)
        self._rewriting = Rewriting(self.uc, board, self._table.address)
        self._add_hooks()
        seen = self.uc, self._table.state, self.memory.read, self._add_model_hook
        model.attach(Machine(*seen, board.sdram is not None, board.bank_ends))

    def _add_hooks(self) -> None:
        uc = self.uc
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_BLOCK, self.model.hook_address, self._table.address)
        unicorn_api.add_native_hook(uc, unicorn.UC_HOOK_INTR, running.on_interrupt.address, self._table.address)
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

    # -- the clock, read in the middle of a block

    def exact_now(self) -> int:
        """The cycle at which the instruction that is accessing a register started.

        Raises NeedsExactPc where that instruction is not known yet; then the caller must have no effect. The first
        answer to an instruction under an IT is the cycle at which its block was entered.
        """
        words = self.words
        if not self._running:
            return words[hook.CYCLES]
        if words[hook.EXACT_BLOCK] != words[hook.BLOCKS]:
            return self._inexact_now(self._table.running)
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

    # -- running

    def run(self, pc: int, is_mid_block: bool = False) -> Stop:
        """Look what is due, take exceptions and run from pc until something is left to Python (core.running).

        is_mid_block: as the stop before said: the core goes on at once.
        """
        if is_mid_block:
            self._let_go(self._block_start)
        phase = at.PHASE_GO if is_mid_block else at.PHASE_LOOK
        words = self.words
        while True:
            words[at.PC], words[at.PHASE] = pc, phase
            self._trap = Trap()
            self._running = True
            why = run_native(self._table.address)
            self._running = False
            pc = words[at.PC]
            if why != running.STOPPED:
                return Stop(OF_RUN[why], pc)
            stop = self._explain(pc)
            if stop is not None:
                return stop
            pc, phase = words[at.PC], at.PHASE_GO

    def look(self, pc: int) -> Stop:
        """As run(), up to where the core would go on (Reason.READY)."""
        words = self.words
        words[at.PC] = pc
        why = running.look.ctypes(self._table.address)
        return Stop(OF_RUN[why], words[at.PC])

    def _run_once(self, pc: int, until: int) -> Stop | None:
        """Execute from pc. None: only something of the core's own had to be seen to; run on."""
        words, before = self.words, self.stop_at
        words[at.PC], self.stop_at = pc, until
        self._trap = Trap()
        self._running = True
        running.run_once.ctypes(self._table.address)
        self._running = False
        self.stop_at = before
        return self._explain(words[at.PC])

    def _run_to(self, pc: int, until: int) -> Stop:
        stop = self._run_once(pc, until)
        while stop is None:
            stop = self._run_once(self.words[at.PC], until)
        return stop

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
            return self._run_to(pc, self.stop_at)
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
        self.words[at.TRAPPED] = 1
        self.request_stop()

    def refuse_unprivileged(self, address: int, size: int, is_store: bool) -> bool:
        """Whether code without privileges is accessing the private peripherals: a bus fault (ARMv7-M ARM, B3.1)."""
        if not self.register(uc_arm.UC_ARM_REG_CONTROL) & 1 or self.register(uc_arm.UC_ARM_REG_IPSR) & 0x1FF:
            return False
        self._trap.memory = (unicorn.UC_MEM_WRITE_PROT if is_store else unicorn.UC_MEM_READ_PROT, address, size)
        self.words[at.TRAPPED] = 1
        unicorn_api.stop(self.uc)
        return True

    def repeat_access(self) -> None:
        """End the run at the very instruction whose register access is being served; it will be executed again."""
        self._trap.clock_access = True
        self.words[at.TRAPPED] = 1
        unicorn_api.stop(self.uc)

    def _explain(self, pc: int) -> Stop | None:
        """Why the core has stopped before pc. None: only something of its own had to be seen to; run on."""
        words, trap = self.words, self._trap
        error = trap.error or self.model.problem
        if error:
            raise error
        if trap.clock_access:
            self._settle(pc)
            self._watched.add_clock_access(pc)
            self._let_go(self._block_start)
            return None
        why, code = words[hook.STOP], words[at.CODE]
        if why == hook.STOP_NONE or (why == hook.STOP_DEBUG and (trap.has_any or words[at.INTERRUPT] or code)):
            return self._explain_trap(trap, code, pc)
        return self._explain_hook_stop(why, pc)

    def _explain_trap(self, trap: Trap, code: int, pc: int) -> Stop:
        """What Unicorn reported by itself."""
        if interrupt := self.words[at.INTERRUPT]:
            self._settle(pc)
            return Stop(OF_INTERRUPT.get(interrupt - 1, Reason.UNDEFINED), pc)
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
            stop = self._run_to(block, pc)
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

    def _on_invalid(self, _uc: unicorn.Uc, _data: object) -> bool:
        self._trap.is_invalid = True
        self.words[at.TRAPPED] = 1
        return False

    def _on_bad_memory(self, _uc: unicorn.Uc, access: int, address: int, size: int, _value: int, _data: object) -> bool:
        self._trap.memory = (access, address, size)
        self.words[at.TRAPPED] = 1
        return False

    def _on_first_sight(self, address: int, size: int) -> None:
        """Called by the block hook, without a way to raise: errors wait for the run's end."""
        try:
            if self._watched.want_late_checks(self._table.see(address, size)):
                self.request_stop()
        except Exception as error:
            self.fail(error)
