"""Compilers that tests build with: those that can be had here; the others' tests skip with what brings each."""

from __future__ import annotations

import pytest

from hil.firmware.cmake import find_tools
from hil.firmware.programs import MissingToolError
from hil.firmware.toolchain import find_toolchain

# Families, and what else Debian or PyPI may have brought.
NAMES = ("gcc", "clang", "clang-22", "zig")
BOARD = "stm32f407_disco"


def lacks(preset: str, toolchain: str | None = None) -> str | None:
    """Why a preset cannot be built here; None where it can."""
    try:
        find_tools(preset, toolchain)
    except MissingToolError as error:
        return str(error)
    return None


def needs(preset: str) -> pytest.MarkDecorator:
    """Skips tests that build a preset where there is no compiler for it."""
    gap = lacks(preset)
    return pytest.mark.skipif(gap is not None, reason=gap or "")


def toolchains() -> list[object]:
    """A parameter for each compiler: skipped where it is not here, or is one of the others under another name."""
    found: list[object] = []
    seen: set[str] = set()
    for name in NAMES:
        gap = lacks(BOARD, name)
        compiler = "" if gap else str(find_toolchain(name).compiler)
        reason = gap or (f"the same as another: {compiler}" if compiler in seen else "")
        seen.add(compiler)
        found.append(pytest.param(name, marks=[pytest.mark.skipif(bool(reason), reason=reason)], id=name))
    return found


def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without compilers, CMake and Ninja."""
    monkeypatch.setattr("hil.firmware.programs.shutil.which", lambda program, path=None: None)
