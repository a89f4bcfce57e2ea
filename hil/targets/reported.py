"""Faults that the firmware itself reported, with the names that only the host knows."""

from __future__ import annotations

from pathlib import Path

from hil.link import DeviceFault
from hil.targets.base import TargetFault
from hil.targets.symbols import symbols


def explain(fault: DeviceFault, elf: Path) -> TargetFault:
    """The fault as a TargetFault that names the function: the one at pc, else the one that called it."""
    report, table = fault.report, symbols(elf)
    culprit = report.pc if table.line(report.pc) else report.lr
    return TargetFault(
        report.cause,
        "reported by the firmware" if report.address is None else f"address {report.address:#010x}",
        pc=report.pc,
        lr=report.lr,
        sp=report.sp,
        cfsr=report.cfsr,
        hfsr=report.hfsr,
        address=report.address,
        symbol=table.function(culprit),
        line=table.line(culprit),
    )
