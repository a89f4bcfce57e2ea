"""The compiled model as an object: owns the arena, decodes code on first sight, keeps the cycle count."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.board.figures import DOCUMENTED, Figures
from hil.errors import HilError
from hil.timing.compiled import header
from hil.timing.compiled import layout as at
from hil.timing.compiled.codehook import InstructionHooks, MovableHook
from hil.timing.compiled.hooks import look, on_block, split
from hil.timing.compiled.pipeline import NEVER
from hil.timing.compiled.plans import Plans
from hil.timing.compiled.registers import places
from hil.timing.compiled.rows import REGISTERS, Rows
from hil.timing.statement import rules as catalogue
from hil.timing.statement.decode import Decoder, UndecodableError
from hil.timing.statement.fetch import LATENCY
from hil.timing.statement.flash import FlashSettings, canonical
from hil.timing.statement.instruction import Instruction, Kind
from hil.timing.statement.pipeline import BANKS, SINGLE
from hil.timing.statement.trace import effective_address

Mode = Literal["full", "fast"]
Read = Callable[[int, int], bytes]
_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)


def packed(settings: FlashSettings) -> int:
    """Flash settings as the arena's SETTINGS word."""
    bits = settings.prefetch | settings.instruction_cache << 1 | settings.data_cache << 2
    return settings.wait_states | bits << 8


class Engine:
    """Charges blocks as they run.

    mode "full" needs hooks.look before each instruction: then it equals the statement. "fast" needs hooks at
    blocks only: it takes every condition as passed, flash as always in its caches, and learns now and then, at a
    block's entry, where its accesses go, how they are aligned and what its divides take. read(address, size): bytes of
    memory. register(id): a register, by Unicorn's id. has_sdram: whether there is memory behind the FMC; then stores
    are looked at, too. banks: where SRAM1 and SRAM2 end.
    """

    def __init__(
        self,
        mode: Mode,
        read: Read,
        register: Callable[[int], int],
        rules: frozenset[str] = catalogue.ALL,
        figures: Figures = DOCUMENTED,
        has_sdram: bool = False,
        banks: tuple[int, int] = BANKS,
    ) -> None:
        self.mode, self.rules, self.figures = mode, rules, figures
        self.banks = banks
        self._has_sdram = has_sdram and "sdram" in rules
        self._read, self._register = read, register
        self._decoder = Decoder(read)
        self._conditional: set[int] = set()
        self.problem: HilError | None = None
        self.before_forgetting: Callable[[], None] = lambda: None  # a profile takes its counts then
        self.arena = _aligned_words(at.ARENA_WORDS)
        self._pointer = self.arena.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
        self._callbacks = _BLOCK(self._decode), _BLOCK(self._forget), _BLOCK(self._set_flash), _BLOCK(self._plan)
        self._watched: dict[int, tuple[int, int]] = {}
        self._code_hook: MovableHook | None = None
        self._instruction_hooks: InstructionHooks | None = None
        self._write_header()
        self._rows, self._plans = self._new_rows(), self._new_plans()
        self.set_flash(FlashSettings())

    def _new_rows(self) -> Rows:
        rows = Rows(self.arena, self.rules, self.mode == "full", self.figures, self._has_sdram)
        rows.may_hook = self._instruction_hooks is not None
        return rows

    def _new_plans(self) -> Plans:
        def is_conditional(instruction: Instruction) -> bool:
            return instruction.address in self._conditional

        plans = Plans(self.arena, self._row, is_conditional, self._read, self.mode == "full")
        plans.may_hook = self._instruction_hooks is not None
        return plans

    def _write_header(self) -> None:
        m = self.arena
        addresses = [ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._callbacks]
        for word, address in zip((at.FN_DECODE, at.FN_FORGET, at.FN_SET_FLASH, at.FN_PLAN), addresses, strict=True):
            m[word] = address
        header.write_rules(m, self.rules, self.figures, self.banks)
        header.write_functions(m, self.mode == "fast")  # the last: a second process may be at it
        self._on_block, self._split = on_block.ctypes, split.ctypes

    # -- time

    @property
    def cycles(self) -> int:
        """Cycles at the last border of blocks."""
        return int(self.arena[at.CYCLES])

    @property
    def instructions(self) -> int:
        """Instructions entered so far, those under an IT counted whether they passed or not."""
        return int(self.arena[at.INSTRUCTIONS])

    def set_deadline(self, cycle: int | None) -> None:
        """The block hook stops the emulation at the first border at or after a cycle."""
        self.arena[at.DEADLINE] = header.NO_DEADLINE if cycle is None else cycle

    def set_flash(self, settings: FlashSettings) -> None:
        """FLASH_ACR is written; the caches are emptied."""
        m = self.arena
        m[at.SETTINGS] = packed(settings)
        left = settings.under(self.rules)
        m[at.WAIT_STATES] = left.wait_states
        m[at.HAS_PREFETCH] = left.prefetch
        m[at.HAS_INSTRUCTION_CACHE], m[at.HAS_DATA_CACHE] = left.instruction_cache, left.data_cache
        m[at.TRACKS_LINES] = self.mode == "full" and left.wait_states > 0
        accelerator = settings.accelerator
        m[at.LINE_SHIFT], m[at.FIRST_LINE] = accelerator.line_shift, at.FLASH_ORIGIN >> accelerator.line_shift
        m[at.MOST_LINES], m[at.MOST_DATA_LINES] = accelerator.instruction_lines, accelerator.data_lines
        m[at.HAS_INSTRUCTION_CACHE] &= accelerator.instruction_lines > 0
        m[at.HAS_DATA_CACHE] &= accelerator.data_lines > 0
        lines = 2 * at.FLASH_HALFWORDS >> accelerator.line_shift
        m[at.LINE_STAMPS : at.LINE_STAMPS + lines + 1] = 0
        m[at.LINE_COUNT] = m[at.CURRENT_LINE] = m[at.PREFETCHED_LINE] = 0
        m[at.LINES : at.PLANS] = 0
        m[self._plans.offsets() + at.P_IS_KEPT] = 0
        self._forget(0, 0)

    def _set_flash(self, wait_states: int, enabled: int) -> None:
        """FLASH_ACR as the simulated board mirrors it: latency, and bits for prefetch, instruction and data cache."""
        bits = (bool(enabled >> k & 1) for k in range(3))
        prefetch, instruction_cache, data_cache = bits
        self.set_flash(FlashSettings(wait_states, instruction_cache, data_cache, prefetch))

    def empty_pipeline(self) -> None:
        """What comes next arrives as if after a branch; nothing runs."""
        self.arena[at.STATE], self.arena[at.NODE] = at.START_STATE, 0

    def start(self) -> None:
        """Code begins to run as if after a branch, other code having run meanwhile: only the flash caches stay."""
        m = self.arena
        m[at.CURRENT_LINE] = m[at.PREFETCHED_LINE] = 0
        self.empty_pipeline()

    def border(self, address: int, size: int = 0) -> None:
        """Do as the block hook: the running block has gone to an address, where a block of `size` bytes runs next."""
        deadline, self.arena[at.DEADLINE] = int(self.arena[at.DEADLINE]), header.NO_DEADLINE
        self._on_block(None, address, size, self._pointer)
        self.arena[at.DEADLINE] = deadline

    def finish(self, target: int) -> None:
        """The running block was the last; it went to target, whose fetch is not waited for."""
        self.border(target)
        self.arena[at.CYCLES] += self.arrival()
        self.start()

    def arrival(self) -> int:
        """Behind a border: cycles until the next instruction executes, if its fetch does not wait."""
        m = self.arena
        return max(0, int(m[m[at.STATE] + at.S_LAST_REQUEST]) + 1 + LATENCY + 1) if m[at.HAS_FETCH] else 0

    def split(self, address: int) -> int:
        """The running block has run up to an address: charge that; the rest becomes a block of its own.

        Returns the cycle in which the instruction before the address executes.
        """
        return int(self._split(canonical(address), self._pointer))

    def context(self) -> tuple[int, int]:
        """The running block in its pipeline state, and what became of it when it last branched.

        Where both are the same in two rounds of a loop, every further round costs the same.
        """
        node = int(self.arena[at.NODE])
        return node, int(self.arena[node + at.N_EXIT + 1])

    def now(self, pc: int) -> int:
        """The cycle in which the instruction at pc, the last so far of the running block, executes."""
        return self.split(pc + self._decoder.at(canonical(pc)).size)

    def access_cycle(self, address: int) -> int:
        """The cycle of the load or store at work in the running block that accesses an address.

        That is the first instruction that the registers, as they are, make access it.
        """
        m = self.arena
        node = int(m[at.NODE])
        pc, end = int(m[node + at.N_START]), int(m[node + at.N_END])
        while node and pc < end:
            instruction = self._decoder.at(pc)
            if effective_address(instruction, self._number) == address:
                return self.now(pc)
            pc = instruction.end
        return self.cycles

    def _number(self, number: int) -> int:
        return self._register(REGISTERS[number])

    # -- code

    def forget_code(self) -> None:
        """Other code has been loaded."""
        self._decoder.forget()
        self._conditional.clear()
        self.arena[at.ROW_TABLE :] = 0
        self._rows, self._plans = self._new_rows(), self._new_plans()
        self._forget(0, 0)

    def forget_results(self) -> None:
        """Have everything that runs from now on be worked out anew."""
        self._forget(0, 0)

    def instruction(self, address: int) -> Instruction:
        """The instruction at an address; what does not decode is taken for one of a cycle."""
        return next(self._instructions(address, address + 4))

    def _forget(self, *_: int) -> None:
        """Empty what is kept of blocks; the pipeline's current state stays."""
        self.before_forgetting()
        m = self.arena
        current = m[m[at.STATE] : m[at.STATE] + at.STATE_WORDS].copy()
        for table, bits in ((at.STATE_HASH, at.STATE_BITS), (at.NODE_HASH, at.NODE_BITS), (at.EXIT_HASH, at.EXIT_BITS)):
            m[table : table + (2 << bits)] = 0
        m[at.STATE_COUNT], m[at.NODE_COUNT], m[at.EXIT_COUNT] = 3, 1, 1
        m[at.LAST_NODE] = 0
        start = [at.NO_CLASS, -1, 0, 0, -LATENCY - 2, 3, *[-LATENCY - 1] * 3, 0, 0, 0, -NEVER, -NEVER, 0, 0]
        if not m[at.HAS_FETCH]:
            start[1:] = [0] * (at.STATE_WORDS - 1)
        m[at.START_STATE : at.START_STATE + at.STATE_WORDS] = start
        if m[at.STATE] > at.START_STATE:
            m[at.STATE] = at.START_STATE + at.STATE_STRIDE
            m[m[at.STATE] : m[at.STATE] + at.STATE_WORDS] = current
        else:
            m[at.STATE] = at.START_STATE

    def see(self, address: int, size: int) -> None:
        """Decode a block with the registers as they are at its entry, unless it has run before."""
        index = self._table_index(address)
        if index is not None and not self.arena[index]:
            self._decode(address, size)

    def _decode(self, address: int, size: int) -> None:
        """First sight of a block: called from inside the block hook."""
        try:
            block = list(self._instructions(address, address + size))
            for before, instruction, after in zip([None, *block], block, [*block[1:], None], strict=False):
                self._add(instruction, _may_pair(before, after), _may_stall(instruction, after))
        except Exception as error:
            self._keep(error)

    def _plan(self, address: int, size: int) -> None:
        """A block has no plan yet: called from inside the block hook."""
        try:
            self._plans.plan(address, size, tuple(self._instructions(address, address + size)))
        except Exception as error:
            self._keep(error)

    def _keep(self, error: Exception) -> None:
        """An error must not pass through native code: it is kept, and the run ends at the next border."""
        self.problem = error if isinstance(error, HilError) else HilError(f"timing model: {error!r}")
        self.set_deadline(0)

    def _row(self, address: int) -> int:
        """The row of the instruction at an address."""
        index = self._table_index(address)
        return (int(self.arena[index]) & ~at.LOOKED_AT if index is not None else 0) or at.NO_ROW

    def _instructions(self, address: int, end: int) -> Iterator[Instruction]:
        while address < end:
            try:
                instruction = self._decoder.at(address)
            except UndecodableError:  # the emulator decides what it is worth; here it is one cycle
                instruction = Instruction(address, min(end - address, 2), Kind.ALU, "(undecodable)")
            yield instruction
            address = instruction.end

    def _add(self, instruction: Instruction, may_pair: bool, may_stall: bool) -> None:
        """Bring an instruction into the arena."""
        if instruction.kind is Kind.IT:
            self._cover(instruction)
        index = self._table_index(instruction.address)
        if index is not None and not self.arena[index]:
            row = self._rows.add(instruction, instruction.address in self._conditional, may_pair, may_stall)
            self.arena[index] = row | (at.LOOKED_AT if self.arena[row + at.R_NEEDS] else 0)
            if instruction.address in self._watched:
                self.watch(instruction.address, *self._watched[instruction.address])

    def _cover(self, it: Instruction) -> None:
        address = it.end
        for _ in range(it.covers):
            self._conditional.add(address)
            address = self._decoder.at(address).end

    def hook_instructions(self, hooks: InstructionHooks) -> None:
        """In the fast model, before anything has run: hooks that can be added to single instructions."""
        self._instruction_hooks = hooks
        self._rows.may_hook = self._plans.may_hook = True

    def load_registers(self, uc: Any) -> None:
        """Hooks on this core may load its registers, if it is known where they are."""
        self.arena[at.CORE_REGISTERS], self.arena[at.FLOAT_REGISTERS] = places(uc)

    def add_hook(self, hook: MovableHook) -> None:
        """The code hook of the full model."""
        self._code_hook = hook

    def translate_anew(self) -> bool:
        """Whether the emulation stopped because a block is to be translated with other code hooks: then run on.

        Nothing must be running.
        """
        m = self.arena
        plan, m[at.WANTED] = int(m[at.WANTED]), 0
        if not plan:
            return False
        shift, start = int(m[at.ALIAS]), int(m[plan + at.P_START])
        if self._instruction_hooks is not None:
            m[at.FN_LOOK], m[plan + at.P_WANTS_HOOKS] = look.address, 0
            looked_at = self._plans.looked_at(start, int(m[plan + at.P_SIZE]))
            self._instruction_hooks.cover(start - shift, [address - shift for address in looked_at])
            return True
        if self._code_hook is None:
            return False
        if m[at.OUT_OF_RANGE]:
            self._plans.leave_ranges(start, int(m[plan + at.P_SIZE]))
        m[plan + at.P_VAIN] = 0
        m[plan + at.P_PATIENCE] *= 2
        first, start, end = (address - shift for address in (m[plan + at.P_FROM], start, start + m[plan + at.P_SIZE]))
        m[at.HOOK_RANGE] = self._code_hook.narrow(int(first), int(start), int(end))
        return True

    def plans(self) -> NDArray[np.int64]:
        """The offsets of all plans there are."""
        return self._plans.offsets()

    def watch(self, pc: int, function: int, data: int) -> bool:
        """In the full model: have the code hook call a native hook function before the instruction at pc.

        Returns whether it will: not outside flash and RAM.
        """
        pc = canonical(pc)
        self._watched[pc] = function, data
        index = self._table_index(pc)
        if index is None:
            return False
        if not self.arena[index]:
            return True  # on first sight
        row = int(self.arena[index]) & ~at.LOOKED_AT
        self.arena[index] = row | at.LOOKED_AT
        self.arena[row + at.R_NEEDS] |= at.NEED_CALL
        self.arena[row + at.R_FUNCTION], self.arena[row + at.R_DATA] = function, data
        self.arena[row + at.R_OWN_ADDRESS] = pc
        for start, end in self._plans.change(pc):
            if self._code_hook is not None:
                self._code_hook.drop(start, end)
        return True

    def _table_index(self, address: int) -> int | None:
        offset = (address - at.FLASH_ORIGIN) // 2
        if 0 <= offset < at.FLASH_HALFWORDS:
            return at.ROW_TABLE + offset
        offset = (address - at.RAM_ORIGIN) // 2
        return at.ROW_TABLE + at.FLASH_HALFWORDS + offset if 0 <= offset < at.RAM_HALFWORDS else None


def _aligned_words(count: int) -> NDArray[np.int64]:
    """Zeros that begin at a line of this computer's cache, so that nodes, exits and rows do not straddle two."""
    words = np.zeros(count + at.LINE_WORDS, np.int64)
    skipped = -(words.ctypes.data // 8) % at.LINE_WORDS
    return words[skipped : skipped + count]


def _may_pair(before: Instruction | None, after: Instruction | None) -> bool:
    """Whether a load could come just before, or a single access just after; None: not known, at a block's border."""
    return before is None or after is None or before.kind is Kind.LOAD or after.kind in SINGLE


def _may_stall(instruction: Instruction, after: Instruction | None) -> bool:
    """Whether the next instruction could take an address from what this one writes late."""
    return bool(instruction.late_writes & after.address_registers) if after else bool(instruction.late_writes)
