"""The peripheral buses: which register block answers an address, and what happens where none does.

The areas that ST's memory map (RM0090, 2.3) calls reserved are not mapped and fault as on the chip. A peripheral that
the chip has and this board does not model ends the run with an error: made-up values would be worse.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Hashable
from typing import Any

from unicorn import arm_const as uc_arm

from hil.errors import HilError
from hil.targets.base import TargetError
from hil.targets.sim.core import answering, unicorn_api
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.polling import SEEN, PollingLoops
from hil.targets.sim.core.stops import NeedsExactPc
from hil.targets.sim.peripherals.patience import Patience, PollsForEver
from hil.targets.sim.peripherals.registers import Peripheral
from hil.timing.compiled import blockhook as hook

log = logging.getLogger(__name__)

PRIVATE, AHB1 = 0xE000_0000, 0x4002_0000
AREAS = (
    (0x4000_0000, 0x8000),  # APB1
    (0x4001_0000, 0x7000),  # APB2, with 1 KB that is reserved: areas end where pages do
    (AHB1, 0x6_0000),
    (0x5000_0000, 0x6_1000),  # AHB2, likewise
    (0xA000_0000, 0x1000),  # AHB3: the memory controller
    (PRIVATE, 0x10_0000),  # private peripherals of the core
)
CYCCNT = PRIVATE + 0x1004
_PAGE = 0x400
_LANES = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFF_FFFF}


class Bus:
    """Maps the areas into a core and hands accesses to the peripherals placed on them."""

    def __init__(self, core: Core, where: Callable[[], str]) -> None:
        """where: describes the code now running, for errors."""
        self._core, self._where = core, where
        self.polling = PollingLoops(core)
        self._registers = unicorn_api.Registers(core.uc, [*SEEN, *(uc_arm.UC_ARM_REG_S0 + n for n in range(32))])
        self.patience = Patience(self._place, self._memory, core.words)
        self._pages: dict[int, tuple[Peripheral, int, Callable[[], bool] | None]] = {}
        self._idle_writes: set[int] = set()
        self._kept: list[Any] = []
        native = {
            PRIVATE: (hook.on_private_read, answering.on_private_write, hook.FN_PRIVATE_READ, at.FN_PRIVATE_WRITE),
            AHB1: (answering.on_ahb_read, answering.on_ahb_write, at.FN_AHB_READ, at.FN_AHB_WRITE),
        }
        for origin, size in AREAS:
            loads, stores, *rest = native.get(origin, (None, None))
            hooks = (loads.address, stores.address, core.state_address) if loads and stores else None
            kept = unicorn_api.map_registers(core.uc, origin, size, *self._callbacks(origin), hooks)
            self._kept.append(kept)
            for word, callback in zip(rest, kept, strict=False):
                core.words[word] = unicorn_api.function_address(callback)

    def place(
        self, origin: int, peripheral: Peripheral, clocked: Callable[[], bool] | None = None, base: int | None = None
    ) -> None:
        """Put a peripheral on a 1 KB page. Its offsets count from base; clocked: whether RCC feeds it."""
        self._pages[origin // _PAGE] = (peripheral, origin if base is None else base, clocked)

    @property
    def peripherals(self) -> list[Peripheral]:
        """Each once."""
        return list(dict.fromkeys(peripheral for peripheral, _, _ in self._pages.values()))

    def peek(self, address: int) -> int | None:
        """A word as it stands, without side effects; None where there is none."""
        page = self._pages.get(address // _PAGE)
        return page[0].peek(address - page[1] & ~3) & 0xFFFF_FFFF if page else None

    def read(self, address: int, size: int) -> int:
        """A load of 1, 2 or 4 bytes. A peripheral without clock reads 0, as on the chip."""
        peripheral, base, clocked = self._find(address)
        if clocked is not None and not clocked():
            return 0
        offset = address - base
        word = peripheral.read(offset & ~3)
        if peripheral.hears:
            self.patience.listen()
        changes_at = peripheral.changes_at(offset & ~3)
        if changes_at is not None:
            self.polling.note(address, word, changes_at)
        return word >> 8 * (offset & 3) & _LANES[size]

    def write(self, address: int, size: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes. A peripheral without clock ignores it, as on the chip."""
        peripheral, base, clocked = self._find(address)
        if clocked is not None and not clocked():
            self._note_idle_write(address)
            return
        offset = address - base
        if size != 4:
            lane, shift = _LANES[size], 8 * (offset & 3)
            value = peripheral.peek(offset & ~3) & ~(lane << shift) | (value & lane) << shift
        peripheral.write(offset & ~3, value & 0xFFFF_FFFF)

    def _place(self) -> Hashable:
        """Where the core is, and what is in its registers."""
        return self._core.words[hook.BLOCK], *self._registers.read()

    def _memory(self) -> Hashable:
        """What is in the RAM."""
        return tuple(zlib.crc32(region.data.tobytes()) for region in self._core.memory.rams)

    def _find(self, address: int) -> tuple[Peripheral, int, Callable[[], bool] | None]:
        try:
            return self._pages[address // _PAGE]
        except KeyError:
            raise TargetError(
                f"{self._where()} accesses the peripheral register at {address:#010x}, which the simulated board "
                "does not have: remove the access or add the peripheral to hil/targets/sim"
            ) from None

    def _named(self, error: Exception, address: int) -> Exception:
        """An error of the model's own, as one that says who brought it about."""
        if isinstance(error, HilError | PollsForEver):
            return error
        return TargetError(
            f"{self._where()} uses the register at {address:#010x} in a way that the simulated board does not know "
            f"({type(error).__name__}: {error})"
        )

    def _note_idle_write(self, address: int) -> None:
        page = address // _PAGE
        if page not in self._idle_writes:
            self._idle_writes.add(page)
            log.warning(
                "%s writes to %#010x, whose clock is off in RCC: ignored, as on the chip", self._where(), address
            )

    def _callbacks(self, origin: int) -> tuple[Callable[..., int], Callable[..., None]]:
        """What Unicorn calls for an area. Errors cannot pass through it: they end the run instead."""
        core = self._core

        is_private = origin == PRIVATE

        def on_read(_uc: int, offset: int, size: int, _data: int) -> int:
            try:
                if is_private and core.refuse_unprivileged(origin + offset, size, is_store=False):
                    return 0
                if origin + offset == CYCCNT:
                    self.patience.read_clock(CYCCNT, core.words[hook.CLOCK_READS])
                else:
                    self.patience.read(origin + offset)
                return self.read(origin + offset, size)
            except NeedsExactPc:
                core.repeat_access()
            except Exception as error:
                core.fail(self._named(error, origin + offset))
            return 0

        def on_write(_uc: int, offset: int, size: int, value: int, _data: int) -> None:
            try:
                if is_private and core.refuse_unprivileged(origin + offset, size, is_store=True):
                    return
                self.patience.use(origin + offset)
                self.write(origin + offset, size, value)
            except NeedsExactPc:
                core.repeat_access()
            except Exception as error:
                core.fail(self._named(error, origin + offset))

        return on_read, on_write
