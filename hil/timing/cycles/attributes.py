"""What an ELF says of the core it is for (ABI for the Arm architecture, build attributes)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hil.errors import HilError

_V8M_OR_LATER = 14  # Tag_CPU_arch values from here on are newer than ARMv7E-M (13)
_FPV5 = (7, 8)  # Tag_FP_arch: the FPU of a Cortex-M7 and M33; an M4 has FPv4-SP
_SINGLE_ONLY = 1  # Tag_ABI_HardFP_use
_REBUILD = "build it with -mcpu=cortex-m4 -mthumb"


def check_core(path: Path, elf: Any) -> bool:
    """Raises HilError where an ELF is for another core. Returns whether its functions take floats in FP registers."""
    machine, kind = elf["e_machine"], elf["e_type"]
    if machine != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
        order = "little" if elf.little_endian else "big"
        found = f"{str(machine).removeprefix('EM_')}, {elf.elfclass} bit, {order}-endian"
        raise HilError(f"{path} is for another core ({found}): a Cortex-M4 runs 32-bit little-endian ARM (Thumb) code")
    if kind != "ET_EXEC":
        raise HilError(f"{path} is not linked ({kind}): link it to the chip's addresses (flash at 0x08000000) first")
    tags = _tags(elf)
    profile = tags.get("TAG_CPU_ARCH_PROFILE")
    name = tags.get("TAG_CPU_NAME") or tags.get("TAG_CPU_RAW_NAME") or "unnamed"
    if profile in (ord("A"), ord("R"), "A", "R") or tags.get("TAG_CPU_ARCH", 0) >= _V8M_OR_LATER:
        raise HilError(f"{path} is built for another core ({_named(name, tags)}): {_REBUILD}")
    floats = tags.get("TAG_FP_ARCH", 0)
    if floats in _FPV5 or "M7" in str(name).upper():
        raise HilError(f"{path} is built for a Cortex-M7 (its FPU is an FPv5, the M4's an FPv4-SP): {_REBUILD}")
    if floats and tags.get("TAG_ABI_HARDFP_USE") != _SINGLE_ONLY:
        raise HilError(
            f"{path} uses double-precision FP instructions, which a Cortex-M4 does not have: {_REBUILD} "
            "-mfpu=fpv4-sp-d16"
        )
    return bool(tags.get("TAG_ABI_VFP_ARGS", 0) == 1)


def _named(name: object, tags: dict[str, Any]) -> str:
    is_m33 = tags.get("TAG_CPU_ARCH") == 17
    return f"{name}, as for a Cortex-M33" if is_m33 and "M33" not in str(name).upper() else str(name)


def _tags(elf: Any) -> dict[str, Any]:
    attributes = elf.get_section_by_name(".ARM.attributes")
    if attributes is None:
        return {}
    return {
        attribute.tag: attribute.value
        for section in attributes.iter_subsections()
        for part in section.iter_subsubsections()
        for attribute in part.iter_attributes()
    }
