"""A dry run of a build: CMake configures the firmware for a board with a network of nothing; all but compiling."""

from __future__ import annotations

from hil.firmware.cmake import configure
from hil.firmware.scratch import plain_folder
from hil.paths import copy_sources


def configure_trial(preset: str) -> None:
    """Raise HilError, as a build would, where CMake, the compiler or the packaged sources are not what it takes."""
    with plain_folder() as work:
        source = work / "source"
        copy_sources(source)
        (source / "model").mkdir()
        (source / "model" / "model_config.h").write_text("// of no network\n")
        (source / "model" / "model.c").write_text("typedef int of_no_network;\n")
        configure(source, preset, {}, work / "cmake")
