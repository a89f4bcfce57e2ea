"""An ELF opened so that every error in it is one line: the parser raises a dozen types for damaged files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elftools.elf.elffile import ELFFile

from hil.errors import HilError
from hil.files import reason
from hil.reading import opened
from hil.shown import shown


@contextmanager
def elf_file(path: Path, kind: type[HilError] = HilError) -> Iterator[ELFFile]:
    """The parsed file, for as long as the block reads it. kind: of the error.

    Raises HilError where there is none, it is no ELF, lacks a part of what it loads, loads two things at one place, or
    the block comes upon something in it that cannot be.
    """
    try:
        with opened(path) as file:
            elf = ELFFile(file)
            _check_segments(elf)
            yield elf
    except HilError:
        raise
    except OSError as error:
        raise kind(f"cannot read the firmware {path}: {reason(error)}; build it first (hil build)") from error
    except Exception as error:
        said = shown(error) or type(error).__name__
        raise kind(f"{path} is not an ELF file, or damaged ({said}): give a firmware.elf made by hil build") from error


def _check_segments(elf: ELFFile) -> None:
    """Raises ValueError. The parser hands out the bytes that there are; each loader makes something else of them."""
    end = 0
    for segment in sorted(elf.iter_segments("PT_LOAD"), key=lambda one: int(one["p_paddr"])):
        size, place = segment["p_filesz"], segment["p_paddr"]
        if size > segment["p_memsz"] or (size and segment["p_offset"] + size > elf.stream_len):
            raise ValueError(f"the {size} bytes for {place:#010x} are not in it")
        if size and place < end:
            raise ValueError(f"two segments lie at {place:#010x}")
        end = max(end, place + size)
