"""The simulated board: runs its chip through time and deals with what stops the core."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

from unicorn import arm_const as uc_arm

from hil.board import Board
from hil.targets.base import Observed, TargetError, TargetFault
from hil.targets.image import Image
from hil.targets.sim import ran
from hil.targets.sim.chip import Chip
from hil.targets.sim.clock import VirtualClock
from hil.targets.sim.core import words as at
from hil.targets.sim.core.stops import Reason, Stop
from hil.targets.sim.crash import Faults
from hil.targets.sim.events import NEVER
from hil.targets.sim.exceptions import Exceptions, InvalidReturn, UnstackingFailed
from hil.targets.sim.peripherals import rcc
from hil.targets.sim.peripherals.nvic import IRQ0, SV_CALL
from hil.targets.sim.peripherals.patience import PollsForEver
from hil.targets.sim.restless import Resets, Storms, name_of
from hil.timing.compiled import blockhook as hook
from hil.timing.cost_model import CostModel

_SEED = 0x5374_4D34  # of the noise in RAM at power-on
_CORE_RESET = {
    uc_arm.UC_ARM_REG_XPSR_NZCVQG: 1 << 24, uc_arm.UC_ARM_REG_CONTROL: 0, uc_arm.UC_ARM_REG_PRIMASK: 0,
    uc_arm.UC_ARM_REG_FAULTMASK: 0, uc_arm.UC_ARM_REG_BASEPRI: 0, uc_arm.UC_ARM_REG_FPSCR: 0,
    uc_arm.UC_ARM_REG_PSP: 0, uc_arm.UC_ARM_REG_LR: 0xFFFF_FFFF,
}  # fmt: skip
_SEV = b"\x40\xbf"
ENDLESS_SLEEP_S = 2.0  # after which a sleep that no interrupt can end is given up
_SPIN_CYCLES = 3  # of a branch to itself


class SimBoard:
    """A board with a firmware in its flash, after power-on.

    A crash is raised, as TargetFault, when the firmware's own handlers cannot deal with it: lock-up, a handler that
    hangs, a program that runs without end. `faults.history` also has those that they dealt with.
    """

    def __init__(self, board: Board, image: Image, model: CostModel, runaway_s: float = 3.0) -> None:
        """runaway_s: for how long the program may compute without sleeping or sending a byte."""
        self.board, self.image = board, image
        self._runaway_s = runaway_s
        self.resets = -1  # not counting power-on
        self._pc = 0
        self._reset_wanted = self.has_output = self.arrived = False
        self.is_mid_block = False  # a debugger has stopped it there
        self.on_breakpoint: Callable[[int], int | None] = lambda pc: None  # where to go on; None: it is a fault
        self.chip = Chip(board, model, self._request_reset, self.describe_place)
        self.core, self._nvic, self._events = self.chip.core, self.chip.nvic, self.chip.events
        self.clock = VirtualClock(self.chip.rcc.hclk_hz)
        self.chip.on_clock, self.chip.on_bite = self._change_clock, self._bite
        self._storms, self._resets = Storms(self.core.words), Resets()
        self._reset_flags = rcc.RESET_SOFTWARE
        self._reset_why = ""
        self.exceptions = Exceptions(self.core, self._nvic, self.chip.scb)
        self.faults = Faults(self.chip, self.exceptions, image.symbols, self.clock)
        self.faults.on_fault.append(self._note_fault)
        self.usart = self.chip.usarts[board.uart.peripheral]
        self.usart.line_baud, self.usart.on_output = board.uart.baud, self._expect_output
        self.usart.on_deaf = self._check_port
        self._deal_with: dict[Reason, Callable[[Stop], None]] = {
            Reason.EVENT: self._go_on, Reason.EXCEPTION: self._go_on, Reason.HOST: self._go_on,
            Reason.SLEEP: self._sleep, Reason.WAIT_FOR_EVENT: self._wait_for_event, Reason.YIELD: self._yield,
            Reason.SPIN: self._spin, Reason.STACK_LIMIT: self._near_stack_end,
            Reason.SUPERVISOR_CALL: self._call_supervisor, Reason.EXCEPTION_RETURN: self._return_from_exception,
            Reason.ARRIVED: self._arrive, Reason.DEBUG: self._arrive,
            Reason.DUE: self._wait_on, Reason.TAKE: self._take_exception, Reason.RUNAWAY: self._run_away,
            Reason.REWRITES: self._rewrites, Reason.NEVER_SLEEPS: self._sleepless, Reason.READY: self._go_on,
        }  # fmt: skip
        self.core.memory.power_on(_SEED)
        for address, data in image.parts:
            self.core.memory.write(address, data)
        self._find_stack()
        self.reset(rcc.RESET_POWER_ON)
        left = ran.wanted(image.path, model)
        self.leave = weakref.finalize(self, left.write if left else lambda: None)

    def _find_stack(self) -> None:
        """Where the firmware says its stack is; without that, from the initial stack pointer down, with no limit."""
        limit, top = (self.image.symbols.address(name) for name in ("_stack_limit", "_stack_top"))
        if limit is not None and top is not None:
            self.faults.stack = (limit, top)
            self.core.watch_stack(limit, top)
        else:
            self.core.watch_stack(0, self.core.memory.word(self.board.flash.origin))

    # -- reset

    def reset(self, cause: int = rcc.RESET_PIN) -> None:
        """Reset the chip. RAM keeps its contents; time goes on."""
        self.resets += 1
        words = self.core.words
        self._reset_wanted = self.is_mid_block = False
        words[at.SLEEPS] = words[at.HAS_EVENT] = False
        self.faults.open = None
        self.exceptions.forget()
        self._events.clear()
        self.chip.reset(cause)
        for register, value in _CORE_RESET.items():
            self.core.set_register(register, value)
        for n in range(13):
            self.core.set_register(uc_arm.UC_ARM_REG_R0 + n, 0)
        self.core.model.reset()
        memory = self.core.memory
        stack, start = memory.word(self.board.flash.origin), memory.word(self.board.flash.origin + 4)
        if not memory.is_ram(stack - 4, 4) or not start & 1 or memory.find(start & ~1, 2) is None:
            raise TargetError(
                f"{self.image.path}: no vector table at {self.board.flash.origin:#010x}: it starts with {stack:#010x} "
                f"and {start:#010x}, expected a stack pointer into RAM and an odd code address"
            )
        self.core.set_register(uc_arm.UC_ARM_REG_SP, stack)
        self._pc = start & ~1
        words[at.BUSY_SINCE] = self.core.now

    def _request_reset(self) -> None:
        """The firmware wants it."""
        fault = self.faults.open
        why = f"{fault.kind} in {fault.symbol}" if fault else f"{self.describe_place()} asked for it"
        self._reset_by(rcc.RESET_SOFTWARE, why)

    def _bite(self, flags: int, why: str) -> None:
        """A watchdog wants it."""
        self._reset_by(flags, f"{why} in {self.describe_place()}")

    def _reset_by(self, flags: int, why: str) -> None:
        self._reset_wanted, self._reset_flags, self._reset_why = True, flags, why
        self.core.request_stop()

    def _reset_itself(self) -> None:
        place = self.core.words[hook.BLOCK]
        detail = self._resets.happened(self.seconds, self._reset_why)
        if detail is not None:
            raise self.faults.reset_loop(detail, place)
        self.reset(self._reset_flags)

    # -- time

    @property
    def seconds(self) -> float:
        """Since power-on."""
        return self.clock.seconds(self.core.now)

    def _change_clock(self, hz: int) -> None:
        if hz != self.clock.hz:
            self.clock.change(self.core.now, hz)

    def run(self, until: int) -> None:
        """Let the board run until a cycle, or until bytes for the host have gone out (then has_output is set)."""
        self.has_output = self.arrived = False
        while not (self.has_output or self.arrived) and (self.is_mid_block or self.core.now < until):
            if self.is_mid_block or self._look_up(until):
                self._deal(lambda: self.core.run(self._pc, self.is_mid_block))

    def step(self, until: int) -> None:
        """As run(), but one instruction: `arrived` is set when it has been executed, or has faulted."""
        self.has_output = self.arrived = False
        while not (self.has_output or self.arrived) and (self.is_mid_block or self.core.now < until):
            if self.is_mid_block or (self._look_up(until) and self._is_ready()):
                self.core.words[at.UNTIL] = self.core.now
                self.chip.look_ahead()
                self._deal(lambda: self.core.step(self._pc, self.is_mid_block))
                self.arrived = True

    def _look_up(self, until: int) -> bool:
        """See to everything that is due but exceptions. Returns whether the core can run on."""
        core, words, faults = self.core, self.core.words, self.faults
        self._events.run(core.now)
        if self._reset_wanted:
            self._reset_itself()
        if self.has_output:
            return False
        if faults.open and core.now >= faults.must_end_at:
            raise faults.open
        words[at.EVENT], words[at.UNTIL] = min(self._events.next, at.NEVER), min(until, at.NEVER)
        words[at.MUST_END] = min(faults.must_end_at, at.NEVER)
        words[at.LONGEST_BUSY] = int(self._runaway_s * self.clock.hz)
        words[at.IS_WATCHED] = self._nvic.on_active is not None or core.memory.on_write is not None
        return True

    def _is_ready(self) -> bool:
        """Take what exception there is to take. Returns whether the core would run on."""
        stop = self.core.look(self._pc)
        self._deal(lambda: stop)
        return stop.reason is Reason.READY

    def _deal(self, run: Callable[[], Stop]) -> None:
        """Run the core until it stops, or for an instruction, and deal with why."""
        try:
            stop = run()
        except PollsForEver as poll:
            raise self.faults.polling(str(poll), self.core.words[hook.BLOCK]) from None
        self._pc, self.is_mid_block = stop.pc, stop.is_mid_block
        deal = self._deal_with.get(stop.reason)
        answered = self.on_breakpoint(stop.pc) if stop.reason is Reason.BREAKPOINT else None
        if answered is not None:
            self._pc = answered
        elif deal:
            deal(stop)
        else:
            self._pc = self.faults.from_stop(stop)

    # -- what stops the core

    def _go_on(self, stop: Stop) -> None:
        """Events and pending exceptions are seen to before the core runs again."""

    def _wait_on(self, stop: Stop) -> None:
        """The time has come that the core was to run or sleep until. Raises where nothing can end the sleep."""
        words = self.core.words
        asleep = self.core.now - words[at.ASLEEP_SINCE]
        if words[at.SLEEPS] and not self._can_wake() and asleep > ENDLESS_SLEEP_S * self.clock.hz:
            raise self.faults.open or self.faults.asleep(self._pc - 2)

    def _run_away(self, stop: Stop) -> None:
        raise self.faults.open or self.faults.endless(self._pc, self._runaway_s)

    def _rewrites(self, stop: Stop) -> None:
        raise self.faults.open or self.faults.rewriting(stop.pc)

    def _take_exception(self, stop: Stop) -> None:
        """Enter the pending exception that pre-empts what runs, with all that can go wrong."""
        exception = self._nvic.next()
        assert exception is not None, "native code has found one"
        self.core.words[at.SLEEPS] = False
        pc = self._pc
        try:
            entry = self.exceptions.take(exception, pc)
        except TargetError:
            raise self.faults.no_vector(exception, pc) from None
        self._pc = self.faults.frame_lost(pc) if entry.stacking_failed else self.faults.vector(entry)
        self._note_exception(exception)

    def _note_exception(self, exception: int) -> None:
        """An exception has been entered. Raises TargetFault where they come too thick."""
        self.core.words[at.HAS_EVENT] = True
        detail = self._storms.entered(name_of(exception), self.core.words[hook.INSTRUCTIONS], self.seconds)
        if detail is not None:
            raise self.faults.storm("interrupt storm", detail, self._pc)

    def _note_fault(self, fault: TargetFault) -> None:
        """A fault's handler will be entered. Raises TargetFault where that goes on for ever."""
        detail = self._storms.entered(fault.kind, self.core.words[hook.INSTRUCTIONS], self.seconds)
        if detail is not None:
            raise self.faults.storm("fault storm", detail, fault.pc)

    def _arrive(self, stop: Stop) -> None:
        self.arrived = True

    def stop_soon(self) -> None:
        """Have run() return, with `arrived` set, before anything more is executed than the present block."""
        self.arrived = True
        self.core.request_stop()

    def jump(self, pc: int) -> None:
        """Have the core go on at another address."""
        self._pc, self.is_mid_block = pc & ~1, False

    @property
    def pc(self) -> int:
        """The address that the core goes on at, if no exception comes first."""
        return self._pc

    def _sleep(self, stop: Stop) -> None:
        words = self.core.words
        words[at.SLEEPS], words[at.ASLEEP_SINCE] = True, self.core.now
        words[at.NAPS] += 1
        self._storms.slept()

    def _wait_for_event(self, stop: Stop) -> None:
        """WFE: sleep, unless there was an exception, or an SEV just before, since the last."""
        words = self.core.words
        if words[at.HAS_EVENT] or self.core.memory.read(stop.pc - 4, 2) == _SEV:
            words[at.HAS_EVENT] = False
            self._stay_awake("WFE finds an event")
        else:
            self._sleep(stop)

    def _yield(self, stop: Stop) -> None:
        self._stay_awake("YIELD does not wait")

    def _stay_awake(self, why: str) -> None:
        """There is no sleep. Raises TargetFault where that is all there is."""
        detail = self._storms.stayed_awake(why)
        if detail is not None:
            raise self.faults.sleepless(detail, self._pc - 2)

    def _sleepless(self, stop: Stop) -> None:
        """What is masked has ended sleep too often, with no handler run."""
        detail = self._storms.sleepless(f"{name_of(self._nvic.next() or 0)} is pending and masked")
        raise self.faults.sleepless(detail or "", self._pc - 2)

    def _can_wake(self) -> bool:
        """Whether an interrupt may still come, by itself or by what the host sends."""
        ticks = self.core.words[at.TICK_AT] != at.NEVER
        return bool(self._nvic.enabled >> IRQ0) or self._events.next != NEVER or ticks

    def _spin(self, stop: Stop) -> None:
        """A branch to itself: let the time until the next event pass at once. Raises where none can end it."""
        if self.faults.open:
            raise self.faults.open
        if not self._can_wake() or self.exceptions.masked_level() <= 0:
            raise self.faults.stuck(stop.pc)
        now = self.core.now
        rounds = -(-(self.core.words[hook.NEXT_EVENT] - now) // _SPIN_CYCLES)
        self.core.spend(max(1, rounds) * _SPIN_CYCLES)

    def _near_stack_end(self, stop: Stop) -> None:
        """SP is about to leave the stack. At the memory's bottom the store will fault; elsewhere it would do damage."""
        low = self.faults.stack[0] if self.faults.stack else 0
        if low != self.board.sram.origin:
            raise self.faults.overflow_ahead(stop.pc)

    def _call_supervisor(self, stop: Stop) -> None:
        self._nvic.set_pending(SV_CALL)
        if self._nvic.next() != SV_CALL or self._nvic.level(SV_CALL) >= self.exceptions.masked_level():
            self._nvic.set_pending(SV_CALL, False)
            self._pc = self.faults.unservable_call(stop.pc)

    def _return_from_exception(self, stop: Stop) -> None:
        ended = self._nvic.active[-1] if self._nvic.active else 0
        try:
            self._pc, chained = self.exceptions.leave(stop.pc | 1 | 0xFFFF_FF00)
        except InvalidReturn as error:
            self._pc = self.faults.bad_return(str(error), stop.pc)
            return
        except UnstackingFailed:
            self._pc = self.faults.frame_lost(stop.pc, unstacking=True)
            return
        except TargetError:
            raise self.faults.no_vector(self._nvic.active[-1], self.core.words[hook.BLOCK]) from None
        self.faults.handler_ended(ended)
        if not self._nvic.active:
            self._storms.left(self.core.words[hook.INSTRUCTIONS])
        words = self.core.words
        words[at.HAS_EVENT] = True
        if chained:
            self._pc = self.faults.vector(chained)
            self._note_exception(self._nvic.active[-1])
        elif words[at.SLEEPS_ON_EXIT] and not self._nvic.active:
            words[at.SLEEPS], words[at.ASLEEP_SINCE] = True, self.core.now

    # -- the line to the host

    def _expect_output(self) -> None:
        """The firmware has bytes on the way out: look up when there is something to hand over."""
        self.core.words[at.BUSY_SINCE] = self.core.now
        self._storms.spoke(self.seconds)
        self._resets.spoke()
        self.chip.bus.patience.rest()
        self._events.set("host", self.usart.flush_at, self._flush)

    def _check_port(self) -> None:
        """Bytes came while nobody listened. Raises TargetError where the firmware listens on another port."""
        others = [name for name, usart in self.chip.usarts.items() if usart.is_receiving and usart is not self.usart]
        if others:
            raise TargetError(
                f"{self.image.path}: the firmware listens on {others[0].upper()}, the link of {self.board.name} is on "
                f"{self.usart.name.upper()}: is it built for another board?"
            )

    def _flush(self, cycle: int) -> None:
        self.has_output = True

    # -- what can be seen from outside

    @property
    def parts(self) -> Iterator[object]:
        """All that has state of its own, which a debugger puts back, in an order that stays."""
        yield from (self, self.clock, self.faults, self.exceptions, self._storms, self._resets)
        yield from self.chip.parts

    def describe_place(self) -> str:
        """The function now running, for messages."""
        running = self.core.words[hook.BLOCK]
        return self.image.symbols.describe(running)

    def observed(self) -> Observed:
        """Cycles, instructions and the stack's high-water mark, exactly."""
        core = self.core
        limit, top = self.core.words[hook.STACK_LIMIT], self.core.words[hook.STACK_TOP]
        low, awake = max(core.stack_low, limit), core.now - core.words[at.SLEPT]
        return Observed(core.now, core.words[hook.INSTRUCTIONS], top - low, low, self.seconds, self.resets, awake)
