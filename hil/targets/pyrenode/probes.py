"""What the Renode at hand models, asked of it: each question is a program of a few instructions that it runs."""

from __future__ import annotations

ORIGIN = 0x0800_0000  # of flash
PASSED, TRAPPED = 42, 7  # what r0 holds in the end
# cpu and nvic alone; the bus reads 0 elsewhere
PLATFORM = """
cpu: CPU.CortexM @ sysbus { cpuType: "cortex-m4f"; nvic: nvic }
nvic: IRQControllers.NVIC @ sysbus 0xE000E000 { -> cpu@0 }
flash: Memory.MappedMemory @ sysbus 0x08000000 { size: 0x1000 }
sram: Memory.MappedMemory @ sysbus 0x20000000 { size: 0x1000 }
"""
_STACK_TOP, _VECTORS = 0x2000_1000, 16
_RESET, _HANDLER = ORIGIN + 4 * _VECTORS + 1, ORIGIN + 4 * _VECTORS + 0x12 + 1
# the names are those that provoke the crash in the firmware (hil.link); r2 = 0, r3 = 7
_INSTRUCTIONS = {
    "divide_by_zero": "93fb f2f3",  # sdiv r3, r3, r2
    "unaligned_ldrd": "d3e9 0045",  # ldrd r4, r5, [r3]
    "undefined_instruction": "ffde 00bf",  # udf #255; nop
}
NOTHING = "aff3 0080"  # nop.w
NAMES = tuple(_INSTRUCTIONS)


def program(name: str | None = None) -> bytes:
    """Flash from ORIGIN on, vector table first: r0 is TRAPPED where the instruction of a name faults, else PASSED.

    None: an instruction that does nothing.
    """
    instruction = NOTHING if name is None else _INSTRUCTIONS[name]
    vectors = [_STACK_TOP, _RESET, *[_HANDLER] * (_VECTORS - 2)]
    code = bytes.fromhex(
        "0548 1821 0160"  # ldr r0, =CCR; movs r1, #DIV_0_TRP | UNALIGN_TRP; str r1, [r0]
        "0022 0723"  # movs r2, #0; movs r3, #7
        f"{instruction}"
        "2a20 fee7"  # movs r0, #PASSED; b .
        "0720 fee7"  # the handler: movs r0, #TRAPPED; b .
        "00bf 14ed00e0"  # CCR's address
    )
    return b"".join(word.to_bytes(4, "little") for word in vectors) + code
