"""A dry run of a build: CMake configures the firmware for a board with a network of nothing; all but compiling."""

from __future__ import annotations

from hil import board as boards
from hil.board.generate import presets, write_board
from hil.firmware.cmake import NATIVE, configure
from hil.firmware.scratch import plain_folder
from hil.paths import copy_sources


def configure_trial(preset: str) -> None:
    """Raise HilError, as a build would, where CMake, the compiler or the packaged sources are not what it takes."""
    with plain_folder() as work:
        source = work / "source"
        copy_sources(source)
        if preset != NATIVE:
            board = boards.load(preset)
            write_board(board, source / "board")
            (source / "CMakePresets.json").write_text(presets([board]))
        (source / "model").mkdir()
        (source / "model" / "model_config.h").write_text("// of no network\n")
        (source / "model" / "model.c").write_text("typedef int of_no_network;\n")
        configure(source, preset, {}, work / "cmake")
