"""Bits of memory that change as by a cosmic ray, each when the core comes to an address for the n-th time."""

from __future__ import annotations

from dataclasses import dataclass

import unicorn

from hil.targets.sim.core.core import Core


@dataclass
class BitFlip:
    """address: of the byte; call: at which time; calls: how often the core has come there."""

    core: Core
    address: int
    bit: int
    call: int
    calls: int = 0

    def arm(self, at: int) -> None:
        """Watch for the address `at` from here on. Raises TargetError where there is no memory to change."""
        self.core.memory.read(self.address, 1)
        self.core.uc.hook_add(unicorn.UC_HOOK_CODE, self._on_code, None, at, at)
        self.core.uc.ctl_remove_cache(at, at + 2)  # what was translated before does not call the hook

    def _on_code(self, _uc: unicorn.Uc, _address: int, _size: int, _data: object) -> None:
        self.calls += 1
        if self.calls == self.call:
            (before,) = self.core.memory.read(self.address, 1)
            self.core.memory.write(self.address, bytes([before ^ 1 << self.bit]))
