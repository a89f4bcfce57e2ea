"""Faults on their way: to the firmware's handler, by the core's rules, and into the record that the bench keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unicorn import arm_const as uc_arm

from hil.targets.base import TargetError, TargetFault
from hil.targets.sim.chip import Chip
from hil.targets.sim.clock import VirtualClock
from hil.targets.sim.core.stops import Reason, Stop
from hil.targets.sim.events import NEVER
from hil.targets.sim.exceptions import Entry, Exceptions
from hil.targets.sim.faults import FORCED, INVPC, STKERR, VECTTBL, Fault, explain, lost_frame
from hil.targets.sim.peripherals.nvic import BUS_FAULT, HARD_FAULT, MEM_MANAGE, USAGE_FAULT
from hil.targets.sim.peripherals.scb import CFSR, HFSR
from hil.targets.symbols import Symbols

_FROM_PROCESS_STACK = 1 << 2  # of EXC_RETURN, which LR holds after an entry
HANDLER_GRACE_S = 1.0  # in which a fault handler must have reset the board or returned


class Faults:
    """Raises faults in the core. history keeps each as the error that it would be; open is the one being handled.

    on_fault are told of each while the core is still where it happened.
    """

    def __init__(self, chip: Chip, exceptions: Exceptions, symbols: Symbols, clock: VirtualClock) -> None:
        self._chip, self._exceptions, self._symbols, self._clock = chip, exceptions, symbols, clock
        self.history: list[TargetFault] = []
        self.open: TargetFault | None = None
        self.on_fault: list[Callable[[TargetFault], None]] = []
        self._must_end_s = 0.0
        self.stack: tuple[int, int] | None = None  # lowest address and top of the main stack, where known

    # -- what the board reports

    def from_stop(self, stop: Stop) -> int:
        """The fault that a stop of the core is. Returns the handler's address."""
        memory = self._chip.core.memory
        region = memory.find(stop.pc, 4)
        opcode = memory.read(stop.pc, 4) if region else b""
        fault = explain(stop, opcode, self.stack, self._chip.scb.stores_are_buffered)
        if fault.kind == "undefined instruction" and not self._symbols.function(stop.pc):
            fault = replace(
                fault, kind="execution of data", detail=f"{fault.detail} at {stop.pc:#010x}, in no function"
            )
        return self.raise_fault(fault, stop.pc)

    def bad_return(self, detail: str, pc: int) -> int:
        """An exception return that the core refuses."""
        return self.raise_fault(Fault("invalid exception return", detail, USAGE_FAULT, INVPC, is_jump=True), pc)

    def unservable_call(self, pc: int) -> int:
        """SVC where its priority does not let it run: HardFault."""
        return self.raise_fault(Fault("SVC that cannot run", "its priority is not above what runs", HARD_FAULT), pc)

    def frame_lost(self, pc: int, unstacking: bool = False) -> int:
        """Exception entry or return found no memory under the stack pointer."""
        core = self._chip.core
        is_process = core.register(uc_arm.UC_ARM_REG_LR) & _FROM_PROCESS_STACK and not unstacking
        sp = core.register(uc_arm.UC_ARM_REG_PSP if is_process else uc_arm.UC_ARM_REG_SP)
        return self.raise_fault(lost_frame(sp, self.stack, unstacking), pc)

    def raise_fault(self, fault: Fault, pc: int) -> int:
        """Record a fault and enter its handler. Returns the handler's address. Raises TargetFault on lock-up."""
        record = self._record(fault, pc)
        scb = self._chip.scb
        scb.note_fault(fault.cfsr, fault.hfsr, fault.address if fault.shows_address else None)
        self.history.append(record)
        for listener in self.on_fault:
            listener(record)
        record = self.open = self.open or record
        self._must_end_s = self._clock.seconds(self._chip.core.now) + HANDLER_GRACE_S
        return self._enter(fault.exception, pc, record)

    def overflow_ahead(self, pc: int) -> TargetFault:
        """The block at pc will take the stack pointer below the stack."""
        return self._record(Fault("stack overflow", self._describe_stack(), BUS_FAULT), pc)

    # -- the handler

    def _enter(self, exception: int, pc: int, record: TargetFault) -> int:
        """Enter a fault's handler, or HardFault's where it must escalate (ARMv7-M ARM, B1.5.14)."""
        chip, nvic = self._chip, self._chip.nvic
        level = self._exceptions.masked_level()
        if exception != HARD_FAULT and not (nvic.enabled >> exception & 1 and nvic.level(exception) < level):
            exception = HARD_FAULT
            chip.scb.note_fault(0, FORCED)
        if nvic.level(exception) >= level:
            raise self._lock_up(record, "a fault in the fault handler")
        try:
            entry = self._exceptions.take(exception, pc)
        except TargetError as error:
            chip.scb.note_fault(0, VECTTBL)
            raise self._lock_up(record, "the vector table is not in memory") from error
        if entry.stacking_failed:
            chip.scb.note_fault(STKERR)
            if exception != HARD_FAULT:  # a fault of its own; on the way into HardFault it is only noted
                return self._enter(HARD_FAULT, entry.vector & ~1, record)
        return self.vector(entry)

    def vector(self, entry: Entry) -> int:
        """The address of a handler that has been entered; a vector without the Thumb bit faults there."""
        if entry.vector & 1:
            return entry.vector & ~1
        return self.from_stop(Stop(Reason.INVALID_STATE, entry.vector))

    def handler_ended(self, exception: int) -> None:
        """A handler has returned: with a fault's, the firmware has dealt with it."""
        if exception in (HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT):
            self.open = None

    @property
    def must_end_at(self) -> int:
        """The cycle by which the handler that runs must have returned or reset."""
        return self._clock.cycle(self._must_end_s) if self.open else NEVER

    def _lock_up(self, cause: TargetFault, why: str) -> TargetFault:
        """The core would lock up. What led to it says where."""
        detail = f"{why}, after {cause.kind} in {cause.symbol or 'no function'}: {cause.detail}"
        return TargetFault(
            "lock-up", detail, pc=cause.pc, lr=cause.lr, sp=cause.sp, cfsr=self._chip.scb.values.get(CFSR, 0),
            hfsr=self._chip.scb.values.get(HFSR, 0), address=cause.address, symbol=cause.symbol, line=cause.line,
            cycle=cause.cycle,
        )  # fmt: skip

    # -- words

    def _record(self, fault: Fault, pc: int) -> TargetFault:
        """The fault as an error, with the function it happened in; for a bad jump, the one that jumped."""
        core, scb = self._chip.core, self._chip.scb
        lr = core.register(uc_arm.UC_ARM_REG_LR)
        place = self._place(fault, pc, lr)
        return TargetFault(
            fault.kind, fault.detail, pc=pc, lr=lr, sp=core.register(uc_arm.UC_ARM_REG_SP),
            cfsr=scb.values.get(CFSR, 0) | fault.cfsr, hfsr=scb.values.get(HFSR, 0) | fault.hfsr, address=fault.address,
            symbol=self._symbols.function(place), line=self._symbols.line(place), cycle=core.now,
        )  # fmt: skip

    def _place(self, fault: Fault, pc: int, lr: int) -> int:
        """Where it happened; what runs outside every function was sent there, and who sent it is worth more."""
        places = [pc] if not fault.is_jump else []
        places += [self._chip.core.origin_of_jump(pc), (lr & ~1) - 2]
        return next((place for place in places if self._symbols.function(place)), places[0])

    def storm(self, kind: str, detail: str, pc: int) -> TargetFault:
        """Exceptions, and nothing comes of them. pc: of the handler, or of what faults."""
        return self._record(Fault(kind, detail, 0), pc)

    def reset_loop(self, detail: str, pc: int) -> TargetFault:
        """One reset after another. pc: where the last one came from."""
        return self._record(Fault("reset loop", detail, 0), pc)

    def polling(self, detail: str, pc: int) -> TargetFault:
        """One register, read over and over; or several, used over and over."""
        return self._record(Fault("endless polling", detail, 0), pc)

    def asleep(self, pc: int) -> TargetFault:
        """WFI, and nothing that could end it."""
        return self._record(Fault("endless sleep", "no interrupt is enabled that could end it", 0), pc)

    def sleepless(self, detail: str, pc: int) -> TargetFault:
        """A program that waits by sleeping, but cannot sleep."""
        return self._record(Fault("endless wait", detail, 0), pc)

    def no_vector(self, exception: int, pc: int) -> TargetFault:
        """The vector table has no memory under it: HardFault's vector is in the same, so the core locks up."""
        table = self._chip.scb.vector_table
        self._chip.scb.note_fault(0, VECTTBL | FORCED)
        detail = f"no memory at {table + 4 * exception:#010x}, where VTOR {table:#010x} has exception {exception}'s"
        return self._record(Fault("vector table outside memory", detail, HARD_FAULT), pc)

    def endless(self, pc: int, seconds: float) -> TargetFault:
        """The program runs and nothing comes of it."""
        detail = f"{seconds:.3g} s without sleeping or sending a byte"
        return self._record(Fault("endless loop", detail, 0), pc)

    def rewriting(self, pc: int) -> TargetFault:
        """Code in RAM, written and run over and over. pc: of what would run now."""
        detail = f"code at {pc:#010x} is written anew again and again, without sleeping or sending a byte"
        return self._record(Fault("endless rewriting", detail, 0, is_jump=True), pc)

    def stuck(self, pc: int) -> TargetFault:
        """A branch to itself that no interrupt can leave."""
        return self._record(Fault("endless loop", "a branch to itself, and no interrupt can come", 0), pc)

    def _describe_stack(self) -> str:
        low, top = self.stack or (0, 0)
        return f"the stack pointer goes below {low:#010x}, the end of {top - low} bytes of stack"
