"""Firmwares beside the detector's, each a CMake project of its own in firmware_src: calibration, camera."""

from __future__ import annotations

from pathlib import Path

from hil.board import Board
from hil.board.generate import write_board
from hil.files import write_bytes
from hil.firmware.cmake import find_tools, run_cmake
from hil.firmware.scratch import plain_folder
from hil.paths import copy_sources


def build_beside(
    name: str, board: Board, elf: Path, toolchain: str | None = None, files: dict[str, bytes] | None = None,
    **options: object,
) -> Path:  # fmt: skip
    """Build firmware_src/NAME anew as `elf`. Returns it.

    toolchain: the compiler (hil.firmware.toolchain). files: their contents, by the CMake option that is to hold the
    path; options: CMake's own. Raises HilError where a tool is missing or the build fails.
    """
    tools = find_tools(board.name, toolchain)
    with plain_folder() as work:
        copy_sources(work, without=())
        write_board(board, work / "board")
        binary = str(work / "cmake")
        configure = ["-S", str(work / "firmware_src" / name), "-B", binary, "-G", "Ninja", *tools.options]
        configure += [f"-DCMAKE_TOOLCHAIN_FILE={work / 'platforms' / 'cortex-m4.cmake'}", "-DCMAKE_BUILD_TYPE=None"]
        configure += [f"-DHIL_BOARD={board.name}", f"-DHIL_BOARD_DIR={work / 'board'}"]
        for option, content in (files or {}).items():
            (work / option.lower()).write_bytes(content)
            configure.append(f"-D{option}={work / option.lower()}")
        configure += [f"-D{option}={value}" for option, value in options.items()]
        for arguments in (configure, ["--build", binary]):
            run_cmake([str(tools.cmake), *arguments], work, tools.environment(work), board.name, {})
        write_bytes(elf, (work / "cmake" / "firmware.elf").read_bytes())
    return elf
