"""Where the parts of the checkout that are not Python live."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FIRMWARE = REPOSITORY / "firmware_src"
PLATFORMS = REPOSITORY / "platforms"
BUILD = REPOSITORY / "build"
