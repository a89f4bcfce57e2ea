"""Flashing by copying: newer ST-Links show a USB drive, and what is copied there goes into the chip's flash."""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path

from hil.files import reason
from hil.locks import LOOK_EVERY_S
from hil.targets.tools import FlashError

log = logging.getLogger(__name__)

MOUNTS, BY_ID = Path("/proc/self/mounts"), Path("/dev/disk/by-id")  # Linux
SIGNS = ("MBED.HTM", "DETAILS.TXT")  # what such a drive has in it
NAME, FAILED = "firmware.bin", "FAIL.TXT"
SETTLE_S = 3.0  # in which an ST-Link says that it has failed


def drives() -> dict[Path, Path]:
    """The ST-Links' drives that are mounted, by device."""
    found = {}
    for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines() if MOUNTS.is_file() else ():
        device, place, *_ = line.split(" ")
        folder = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        if any((folder / sign).is_file() for sign in SIGNS):
            found[Path(device)] = folder
    return found


def copy(image: bytes, probe: str | None) -> str:
    """Copy what the flash is to hold to the drive of the probe with that serial number, or the only drive there is.

    Returns what was done, as a command. Raises FlashError where there is none or several, and where the ST-Link fails.
    """
    folder = _find(probe)
    before = _failure(folder)
    try:
        with (folder / NAME).open("wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FlashError(f"cannot copy the firmware to {folder}: {reason(error)}") from None
    deadline = time.monotonic() + SETTLE_S
    while folder.is_dir() and time.monotonic() < deadline:  # it takes itself away when it is done
        failure = _failure(folder)
        if failure and failure != before:
            raise FlashError(f"the ST-Link at {folder} could not flash the board, it says: {failure[1]}")
        time.sleep(LOOK_EVERY_S)
    command = f"cp {NAME} {folder}"
    log.warning("%s", command)
    return command


def _find(probe: str | None) -> Path:
    here = drives()
    if probe:
        links = [link for link in sorted(BY_ID.glob("usb-*")) if f"_{probe}-" in link.name]
        here = {device: folder for device, folder in here.items() if device in {link.resolve() for link in links}}
    if len(here) == 1:
        return next(iter(here.values()))
    whose = f" of the ST-Link {probe}" if probe else ""
    if here:
        listed = ", ".join(map(str, here.values()))
        raise FlashError(f"{len(here)} drives of ST-Links are mounted ({listed}): choose one, --at probe=NUMBER")
    raise FlashError(f"no drive{whose} is mounted: mount it, or flash with another tool; the old ST-Link/V2 has none")


def _failure(folder: Path) -> tuple[float, str] | None:
    """When the ST-Link last failed, and what it said of it."""
    try:
        path = folder / FAILED
        return path.stat().st_mtime, " ".join(path.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return None
