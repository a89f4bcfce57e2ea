"""Faults of a board that the bench should see: bits of memory that change, a DMA that stalls, a UART that overruns."""

from __future__ import annotations

from typing import cast

from hil.bench.bit_flips import BitFlips
from hil.errors import HilError
from hil.targets.base import BreaksPeripherals, Direction


class DeviceFaults(BitFlips):
    """Of a firmware that has booted on a target, which can do them all. The fixture `hil_faults`."""

    @property
    def _peripherals(self) -> BreaksPeripherals:
        if not self.target.capabilities.breaks_peripherals:
            raise HilError(f"target {self.target.name} breaks no peripherals: use target sim or renode")
        return cast(BreaksPeripherals, self.target)

    def stall_dma(self, direction: Direction) -> None:
        """The DMA stream that fills the board's receive ring ("rx"), or that sends ("tx"), moves nothing from here on.

        It stays enabled, as after a fault of the controller, until the chip is reset. Raises HilError for another
        direction, TargetError on a board whose link has no DMA.
        """
        if direction not in ("rx", "tx"):
            raise HilError(f"the link's DMA goes rx or tx, not {direction!r}")
        self._peripherals.stall_dma(direction)

    def overrun_uart(self, count: int = 1) -> None:
        """The next bytes to the board are lost: each comes while the one before has not been taken.

        Raises HilError for less than one.
        """
        if count < 1:
            raise HilError(f"an overrun loses at least one byte, not {count}")
        self._peripherals.overrun_uart(count)
