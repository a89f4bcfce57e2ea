"""What labgrid's own drivers do with a place's resources: flash by OpenOCD where the probe is, switch its supply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import labgrid.driver
import labgrid.resource.remote  # noqa: F401  # registers the classes that the factory makes
from labgrid import Target
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory

from hil.board import Board
from hil.targets.base import TargetError
from hil.targets.labgrid.coordinator import Resource
from hil.targets.tools import FlashError

DEBUGGER = "NetworkUSBDebugger"
SWITCHES = {
    "NetworkPowerPort": "NetworkPowerDriver",
    "NetworkUSBPowerPort": "USBPowerDriver",
    "NetworkSiSPMPowerPort": "SiSPMPowerDriver",
    "PDUDaemonPort": "PDUDaemonDriver",
    "TasmotaPowerPort": "TasmotaPowerDriver",
    "NetworkYKUSHPowerPort": "YKUSHPowerDriver",
}


def flash(board: Board, resources: Sequence[Resource], elf: Path) -> str | None:
    """Returns what was done; None where no probe is among the resources. Raises FlashError where it fails."""
    probe = next((one for one in resources if one.cls == DEBUGGER), None)
    if probe is None:
        return None
    config = board.probe.openocd_board.removeprefix("board/")
    commands = ["program {filename} verify reset exit"]
    driver = _driver(probe, "OpenOCDDriver", {"board_config": config, "load_commands": commands})
    try:
        driver.load(str(elf.resolve()))
    except (ExecutionError, OSError) as error:
        raise FlashError(f"labgrid's OpenOCDDriver cannot flash {elf}: {_plain(error)}") from None
    return f"labgrid OpenOCDDriver on {probe.params.get('host')}: program {elf.name} verify reset exit"


def switch(place: str, resources: Sequence[Resource], is_on: bool) -> None:
    """Switch the first supply among the resources. Raises TargetError where there is none, and where it fails."""
    supply = next((one for one in resources if one.cls in SWITCHES), None)
    if supply is None:
        raise TargetError(f"labgrid place {place} has no supply that can be switched: export a power port for it")
    driver = _driver(supply, SWITCHES[supply.cls], {})
    try:
        driver.on() if is_on else driver.off()
    except (ExecutionError, OSError) as error:
        raise TargetError(f"labgrid place {place}: {SWITCHES[supply.cls]} fails: {_plain(error)}") from None


def _driver(resource: Resource, name: str, options: dict[str, Any]) -> Any:
    target = Target("main")
    target_factory.make_resource(target, resource.cls, None, resource.params)
    driver = target_factory.make_driver(target, name, None, options)
    target.activate(driver)
    return driver


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())
