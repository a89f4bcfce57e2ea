"""Flash interface (RM0090, 3.9): wait states and the accelerator's switches. Programming is not modelled."""

from __future__ import annotations

from collections.abc import Callable

from hil.targets.base import TargetError
from hil.targets.sim.core.core import Core
from hil.targets.sim.peripherals.registers import RegisterFile
from hil.timing.compiled import blockhook as hook

ACR, CR, OPTCR = 0x00, 0x10, 0x14
_START = 1 << 16
HZ_PER_WAIT_STATE = 30_000_000  # at 2.7 to 3.6 V (RM0090, table 11)


class FlashInterface(RegisterFile):
    """Registers at 0x40023C00."""

    RESET = {CR: 0x8000_0000, OPTCR: 0x0FFF_AAED}

    def __init__(self, core: Core, hclk_hz: Callable[[], int]) -> None:
        self._core, self._hclk_hz = core, hclk_hz
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._tell_model()

    def write(self, offset: int, value: int) -> None:
        if offset == CR and value & _START:
            raise NotImplementedError("it starts to erase the flash")
        super().write(offset, value)
        if offset == ACR:
            self._tell_model()
            self.check()

    def check(self) -> None:
        """Raise TargetError where the flash would give garbage at the present clock."""
        waits, hz = self.wait_states, self._hclk_hz()
        needed = -(-hz // HZ_PER_WAIT_STATE) - 1
        if waits < needed:
            raise TargetError(
                f"the firmware runs at {hz / 1e6:g} MHz with {waits} flash wait states and needs {needed}: "
                "set FLASH_ACR before switching the clock up"
            )

    @property
    def wait_states(self) -> int:
        return self.values.get(ACR, 0) & 0xF

    def _tell_model(self) -> None:
        self._core.words[hook.WAIT_STATES] = self.wait_states
        self._core.words[hook.ART] = self.values.get(ACR, 0) >> 8 & 0b111
