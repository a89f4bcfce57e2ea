"""Which compiler makes the firmware: the one that was asked for, else the first that is there.

Asked for is a family ("gcc", "clang", "zig"), a program ("clang-22") or a path, by --toolchain or HIL_TOOLCHAIN.
Without, arm-none-eabi-gcc on the PATH is taken, else what `pip install 'rnnpool-hil[toolchain]'` brought. The CMake
side is platforms/cortex-m4.cmake.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.firmware.elf import producer
from hil.firmware.programs import INSTALL, MissingToolError, in_package, on_path

FAMILIES = ("gcc", "clang", "zig")
VARIABLE = "HIL_TOOLCHAIN"
STAMP = "compiler.txt"  # beside a firmware: who made it
ARM_GCC = "arm-none-eabi-gcc"
HOST_INSTALL = "pip install ziglang"  # which the extra brings only where it has no smaller compiler for the board
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Compiler:
    """Whose compiler and which version of it: "gcc", "12.2.1"."""

    family: str
    version: str

    def __str__(self) -> str:
        return f"{self.family} {self.version}"

    @property
    def names(self) -> tuple[str, str]:
        """What limits may call it: its family, and that with the first number of its version."""
        return self.family, f"{self.family}-{self.version.partition('.')[0]}"


def compiler_of(elf: Path) -> Compiler | None:
    """Who made an ELF: what stands beside it, else what its debug information says; None where neither does."""
    stamp = elf.parent / STAMP
    if stamp.is_file():
        family, _, version = stamp.read_text(encoding="utf-8", errors="replace").strip().partition(" ")
        return Compiler(family, version)
    said = producer(elf) if elf.is_file() else ""
    number = _VERSION.search(said)
    return Compiler("clang" if "clang" in said else "gcc", number[0]) if number else None


@dataclass(frozen=True)
class Toolchain:
    """A compiler's program, for the board or for this computer."""

    program: Path
    family: str

    @property
    def compiler(self) -> Compiler:
        """Its version, as it says itself. Raises MissingToolError where it does not run."""
        argument = {"gcc": "-dumpfullversion", "clang": "--version", "zig": "version"}[self.family]
        try:
            done = subprocess.run(
                [self.program, argument], capture_output=True, text=True, errors="replace", check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise MissingToolError(f"{self.program} does not run as a compiler ({error}): {INSTALL}") from error
        found = _VERSION.search(done.stdout)
        if found is None:
            raise MissingToolError(f"{self.program} does not tell its version: {INSTALL}")
        return Compiler(self.family, found[0])

    @property
    def host_options(self) -> list[str]:
        """What makes CMake take it for this computer's own programs."""
        return [f"-DCMAKE_C_COMPILER={self.program}{';cc' if self.family == 'zig' else ''}"]


def find_toolchain(choice: str | None = None) -> Toolchain:
    """The compiler for the board. Raises MissingToolError, with the command that installs one, where there is none."""
    choice = choice or os.environ.get(VARIABLE) or None
    if choice is None:
        found = next(_by_default(), None)
        if found is None:
            raise MissingToolError(f"building for the board needs {ARM_GCC} or another compiler: {INSTALL}")
        return found
    places = _of_family(choice) if choice in FAMILIES else _named(choice)
    program = next(places, None)
    if program is None:
        raise MissingToolError(f"there is no compiler {choice!r}: {_remedy(choice)}")
    return Toolchain(program, family_of(program))


def find_host_toolchain(choice: str | None = None) -> Toolchain:
    """The compiler for this computer: CC or cc, unless a family or a program of it was asked for; else the extra's zig.

    Raises MissingToolError, with the command that installs one, where there is none.
    """
    choice = choice or os.environ.get(VARIABLE) or None
    if choice is not None and not Path(choice).name.startswith("arm-none-eabi-") and not Path(choice).is_dir():
        places = _of_family(choice, host=True) if choice in FAMILIES else _named(choice)
    else:
        words = os.environ.get("CC", "cc").split() or ["cc"]
        places = (path for path in (on_path(words[0]), _packaged_zig()) if path)
    program = next(places, None)
    if program is None:
        raise MissingToolError(f"building for native needs a C compiler ({choice or 'cc'}): {HOST_INSTALL}")
    return Toolchain(program, family_of(program))


def family_of(program: Path) -> str:
    """By the name of the program, as platforms/cortex-m4.cmake tells it; `cc` by what it says."""
    name = program.name.lower()
    if "clang" in name or "zig" in name:
        return "clang" if "clang" in name else "zig"
    if name.removesuffix(".exe") == "cc":
        said = subprocess.run([program, "--version"], capture_output=True, text=True, errors="replace", check=False)
        return "clang" if "clang" in said.stdout else "gcc"
    return "gcc"


def _by_default() -> Iterator[Toolchain]:
    yield from (Toolchain(path, "gcc") for path in _of_family("gcc"))
    zig = _packaged_zig()
    if zig is not None:
        yield Toolchain(zig, "zig")


def _of_family(family: str, host: bool = False) -> Iterator[Path]:
    """Where a family's compiler may be, the best place first."""
    places = {
        "gcc": [on_path("gcc")] if host else [on_path(ARM_GCC), _packaged_gcc()],
        "clang": [on_path("clang")],
        "zig": [on_path("zig"), _packaged_zig()],
    }
    return (path for path in places[family] if path)


def _named(choice: str) -> Iterator[Path]:
    """A program by name or path; of a folder, the GNU compiler in it or in its bin/."""
    folder = Path(choice)
    names = [str(folder / ARM_GCC), str(folder / "bin" / ARM_GCC)] if folder.is_dir() else [choice]
    return (path.absolute() for path in map(on_path, names) if path)


def _packaged_gcc() -> Path | None:
    return in_package("gcc_arm_none_eabi", f"toolchain/bin/{ARM_GCC}")


def _packaged_zig() -> Path | None:
    return in_package("ziglang", "zig")


def _remedy(choice: str) -> str:
    if "clang" in choice:
        version = choice.partition("-")[2] if choice.startswith("clang-") else ""
        suffix = f"-{version}" if version else ""
        return f"apt-get install -y clang{suffix} lld{suffix}"
    return INSTALL if choice in FAMILIES else f"choose {', '.join(FAMILIES)}, or a compiler's name or path"
