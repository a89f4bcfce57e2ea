"""The clock tree of an STM32F4 for a wanted core clock: PLL, prescalers, wait states, voltage (RM0090, 7.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from hil.board.schema import ChipClock
from hil.errors import HilError

HSI_HZ = 16_000_000
CRYSTAL_HZ, SIGNAL_HZ = (4_000_000, 26_000_000), (1_000_000, 50_000_000)  # data sheets: HSE oscillator, HSE bypass
_INPUTS = range(2, 64)  # PLLM
_MULTIPLIERS = range(50, 433)  # PLLN
_OUTPUTS = (2, 4, 6, 8)  # PLLP
_USB_HZ = 48_000_000
_INPUT_HZ = 1_000_000, 2_000_000
_PRESCALERS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Pll:
    """The PLL's divider m, multiplier n, core divider p and USB divider q."""

    m: int
    n: int
    p: int
    q: int

    @property
    def register(self) -> int:
        """RCC_PLLCFGR without its source; bit 29 is PLLR's least value, where there is a PLLR."""
        return self.m | self.n << 6 | (self.p // 2 - 1) << 16 | self.q << 24 | 1 << 29


@dataclass(frozen=True)
class ClockTree:
    """What start-up writes. hse: from the crystal, None without one; hsi: from the chip's own 16 MHz.

    apb1, apb2: the prescalers; vos: PWR_CR.VOS.
    """

    hse: Pll | None
    hsi: Pll
    apb1: int
    apb2: int
    wait_states: int
    vos: int
    has_over_drive: bool


def check_source(hse_hz: int, is_clock: bool) -> None:
    """Raises HilError for a frequency that no crystal may have, or no clock signal, at OSC_IN. 0: there is neither."""
    what, (least, most) = ("a clock signal", SIGNAL_HZ) if is_clock else ("a crystal", CRYSTAL_HZ)
    if hse_hz and not least <= hse_hz <= most:
        raise HilError(f"hse_hz {hse_hz:,}: {what} has {least // 10**6} to {most // 10**6} MHz")


def clock_tree(clock_hz: int, hse_hz: int, limits: ChipClock) -> ClockTree:
    """The settings for a core clock. Raises HilError where the chip cannot run at it or no PLL setting makes it."""
    if clock_hz > limits.max_hz:
        raise HilError(f"clock_hz {clock_hz:,}: the chip runs at {limits.max_hz:,} Hz at most")
    wait_states = next(n for n, most in enumerate(limits.wait_states) if clock_hz <= most)
    return ClockTree(
        pll(hse_hz, clock_hz, limits) if hse_hz else None,
        pll(HSI_HZ, clock_hz, limits),
        _prescaler(clock_hz, limits.apb1_max_hz),
        _prescaler(clock_hz, limits.apb2_max_hz),
        wait_states,
        next(vos for most, vos in limits.voltage if clock_hz <= most),
        bool(limits.over_drive_hz) and clock_hz > limits.over_drive_hz,
    )


def pll(source_hz: int, clock_hz: int, limits: ChipClock) -> Pll:
    """The PLL for a source: exact, its input as near 1 MHz as can be, so that both sources make the same clock.

    Raises HilError, with the nearest clock that can be made, where there is none.
    """
    exact: list[tuple[int, Pll]] = []
    nearest = 0
    for m in _INPUTS:
        if not _INPUT_HZ[0] * m <= source_hz <= _INPUT_HZ[1] * m:
            continue
        for p in _OUTPUTS:
            n = round(clock_hz * p * m / source_hz)
            vco = source_hz * n // m
            if n not in _MULTIPLIERS or not limits.vco_min_hz <= vco <= limits.vco_max_hz:
                continue
            if source_hz * n == clock_hz * p * m:
                exact.append((source_hz // m, Pll(m, n, p, min(15, max(2, -(-vco // _USB_HZ))))))
            made = source_hz * n // (m * p)
            nearest = min(nearest or made, made, key=lambda hz: abs(hz - clock_hz))
    if not exact:
        hint = f"; the nearest it makes is {nearest:,}" if nearest else ""
        raise HilError(f"clock_hz {clock_hz:,}: the PLL cannot make it of {source_hz:,} Hz{hint}")
    return min(exact, key=lambda found: (found[0], found[1].p))[1]


def _prescaler(clock_hz: int, most_hz: int) -> int:
    return next(divider for divider in _PRESCALERS if clock_hz <= most_hz * divider)
