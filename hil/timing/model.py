"""The pipeline model behind the simulated board's clock: hil.timing.cost_model.CostModel, in its two modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import unicorn

from hil.board.figures import DOCUMENTED, Figures
from hil.errors import HilError
from hil.timing.compiled import again, blockhook, codehook, hooks
from hil.timing.compiled.engine import Engine, Mode
from hil.timing.compiled.native import compile_meanwhile
from hil.timing.compiled.pipeline import work_out
from hil.timing.statement import rules as catalogue

if TYPE_CHECKING:
    from hil.timing.machine import Machine


class ModelledCycles:
    """Cycles by hil.timing.statement.rules. "full" follows data addresses, divides and flash lines, "fast" does not.

    A block is charged when the next one begins, so that it is known where it led; blockhook's CYCLES are those at the
    entry of the block now running.
    """

    def __init__(
        self, mode: Mode = "fast", rules: frozenset[str] = catalogue.ALL, figures: Figures = DOCUMENTED
    ) -> None:
        self.name: str = mode
        self._mode, self._rules, self._figures = mode, rules, figures
        compile_meanwhile(work_out, *([hooks.look] if mode == "full" else []))  # the other half takes as long

    @property
    def hook_address(self) -> int:
        return (again.on_board_block_again if self._mode == "fast" else hooks.on_board_block).address

    def attach(self, machine: Machine) -> None:
        uc = machine.uc
        self._machine = machine
        self.engine = Engine(
            self._mode, self._read, lambda register: int(uc.reg_read(register)), self._rules, self._figures,
            machine.has_sdram,
            machine.banks,
        )  # fmt: skip
        self.engine.load_registers(uc)
        for word, function in (
            (blockhook.FN_CYCLES_BEFORE, hooks.board_cycles_before),
            (blockhook.FN_BREAK_OFF, hooks.board_break_off),
            (blockhook.FN_EMPTY_PIPELINE, hooks.board_empty_pipeline),
            (again.FN_WHOLE, hooks.on_board_block),
        ):
            machine.state[word] = function.address
        figures = self._figures
        machine.state[blockhook.ENTRY_CYCLES] = figures.exception_entry
        machine.state[blockhook.RETURN_CYCLES] = figures.exception_return
        machine.state[blockhook.TAIL_CHAIN_CYCLES] = figures.tail_chain
        machine.state[hooks.ARENA_WORD] = self.engine.arena.ctypes.data
        if self._mode == "full":
            handle = machine.add_native_hook(
                unicorn.UC_HOOK_CODE, hooks.on_board_instruction.address, codehook.BEGIN, codehook.END
            )
            self.engine.add_hook(codehook.MovableHook(uc, handle))
        else:
            self.engine.hook_instructions(codehook.InstructionHooks(uc, self._add_hook))

    def _add_hook(self, first: int, last: int) -> None:
        function = hooks.on_board_instruction.address
        self._machine.add_native_hook(unicorn.UC_HOOK_CODE, function, first, last)

    def reset(self) -> None:
        """The core was reset: the caches are empty, and code may have been loaded."""
        self.engine.forget_code()
        self.engine.start()

    def see(self, address: int, size: int) -> None:
        """Decode a block that has not run yet."""
        self.engine.see(address, size)

    def cycles_before(self, address: int, pc: int) -> int:
        """Cycles from the running block's entry to the execution of the instruction at pc, the last that has run."""
        return self.engine.now(pc) - int(self._machine.state[hooks.CHARGED])

    def break_off(self, pc: int) -> None:
        """The running block has stopped before pc, or has left for it: charge what has run of it."""
        hooks.board_break_off.ctypes(self._machine.state.ctypes.data, pc)

    def watch(self, pc: int, function: int, data: int) -> bool:
        """Have a native function called before the instruction at pc, if this model hooks instructions anyway.

        A second code hook of Unicorn's would make every instruction walk a list of hooks.
        """
        return self._mode == "full" and self.engine.watch(pc, function, data)

    def go_on(self) -> None:
        """The core stopped for a block that is to be translated anew (blockhook.STOP_MODEL)."""
        self.engine.translate_anew()

    def context(self) -> tuple[int, int]:
        """Equal in two rounds of a loop: then every further round costs the same."""
        return self.engine.context()

    def start(self) -> None:
        """What runs next does so as if branched to, with an empty pipeline."""
        self.engine.start()

    def arrival_cycles(self) -> int:
        """Between two blocks: until the next instruction executes, if its fetch does not wait."""
        return self.engine.arrival()

    @property
    def problem(self) -> HilError | None:
        """Why cycles are no longer counted, which a native hook could not raise."""
        return self.engine.problem

    def _read(self, address: int, size: int) -> bytes:
        """Memory; fewer bytes where it ends."""
        for count in range(size, 0, -2):
            try:
                return bytes(self._machine.read(address, count))
            except HilError:
                continue
        return b""
