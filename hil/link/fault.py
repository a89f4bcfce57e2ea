"""The report that firmware sends when it has crashed (docs/link.md, "FAULT")."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import IntEnum

from hil.link.layout import Field, Layout

# ARMv7-M architecture reference manual, B3.2.15: the bits of CFSR that say what happened.
_CAUSES = {
    0: "instruction fetch from memory that is not executable",
    1: "data access to protected memory",
    8: "instruction fetch where there is no memory",
    9: "data access where there is no memory",
    10: "data access where there is no memory, reported late",
    16: "undefined instruction",
    17: "jump to an address without the Thumb bit",
    18: "invalid exception return",
    19: "FPU instruction with the FPU off",
    24: "unaligned access",
    25: "division by zero",
}
_MMFAR_VALID, _BFAR_VALID = 1 << 7, 1 << 15


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class Kind(IntEnum):
    EXCEPTION = 1
    STACK_OVERFLOW = 2
    WATCHDOG = 3
    SIGNAL = 4


FAULT = Layout(
    "FAULT", Field("kind", "I", Kind.EXCEPTION, Kind.SIGNAL),
    *(Field(name, "I") for name in ("exception", "pc", "lr", "sp", "psr", "cfsr", "hfsr", "mmfar", "bfar")),
)  # fmt: skip


@dataclass(frozen=True)
class FaultReport:
    """Registers at the crash. After a stack overflow pc is not known: pc and lr are the newest return address found."""

    kind: int
    exception: int  # number of the vector; of the signal on the host
    pc: int
    lr: int
    sp: int
    psr: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int

    @classmethod
    def parse(cls, payload: bytes) -> FaultReport:
        """Raises BadAnswer for a payload of another length, and for an unknown kind."""
        return cls(*FAULT.unpack(payload))

    @property
    def address(self) -> int | None:
        """The address whose access failed, where the core or the host knows it."""
        if self.kind == Kind.SIGNAL or self.cfsr & _BFAR_VALID:
            return self.bfar
        return self.mmfar if self.cfsr & _MMFAR_VALID else None

    @property
    def cause(self) -> str:
        """What happened, in words."""
        if self.kind == Kind.STACK_OVERFLOW:
            return "stack overflow"
        if self.kind == Kind.WATCHDOG:
            return "endless loop"
        if self.kind == Kind.SIGNAL:
            return f"signal {_signal_name(self.exception)}"
        causes = [text for bit, text in _CAUSES.items() if self.cfsr >> bit & 1]
        return ", ".join(causes) or f"exception {self.exception}"

    @property
    def detail(self) -> str:
        """The cause, and the address whose access failed."""
        return self.cause if self.address is None else f"{self.cause} at address {self.address:#010x}"

    def __str__(self) -> str:
        return (
            f"{self.detail} (PC {self.pc:#010x}, LR {self.lr:#010x}, SP {self.sp:#010x}, "
            f"CFSR {self.cfsr:#010x}, HFSR {self.hfsr:#010x})"
        )
