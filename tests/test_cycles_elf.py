"""`hil cycles` on other people's programs: what a call is given, C++, alias regions, ELF files that are refused."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import thumb as t
from typer.testing import CliRunner

from hil import board
from hil.cli import app
from hil.errors import HilError
from hil.timing.cycles.arguments import Placed, parse_argument, parse_data
from hil.timing.cycles.call import Timing, time_function
from hil.timing.cycles.program import load_program

ALU, RETURN = t.add_wide(0, 0, 1), t.bx(t.LR)
BOARD = board.load("stm32f407_disco")
LINK = """
ENTRY(start)
SECTIONS {
  .text 0x08000000 : { *(.text*) *(.rodata*) }
  .init_array : { KEEP(*(SORT(.init_array.*))) KEEP(*(.init_array)) }
  .data 0x20000000 : { *(.data*) }
  .bss : { *(.bss*) *(COMMON) }
  /DISCARD/ : { *(.ARM.exidx*) *(.comment) }
}
"""


def elf(folder: Path, *code: bytes) -> Path:
    """An executable whose function f lies at 0x08000100."""
    return t.write_elf(folder / "p.elf", {0x0800_0100: b"".join(code)}, {"f": 0x0800_0100})


def built(folder: Path, source: str, compiler: str, *flags: str, name: str = "p.c") -> Path:
    """A program of our own source by somebody's compiler; skips where it is not installed."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}: apt-get install gcc-arm-none-eabi clang lld")
    (folder / name).write_text(source)
    (folder / "p.ld").write_text(LINK)
    target = ["--target=arm-none-eabi", "-fuse-ld=lld"] if compiler.startswith("clang") else []
    order = [compiler, *target, "-mthumb", "-O2", "-nostdlib", "-ffreestanding", "-T", str(folder / "p.ld"), *flags]
    made = subprocess.run([*order, str(folder / name), "-o", str(folder / "p.elf")], capture_output=True, text=True)
    if "invalid linker name" in made.stderr:
        pytest.skip("needs lld: apt-get install lld")
    assert made.returncode == 0, made.stderr
    return folder / "p.elf"


M4 = "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"
SUM = """
__attribute__((used)) int start(const int *data, int count) {
  int sum = 0;
  for (int i = 0; i < count; i++) sum += data[i] * i;
  return sum;
}
"""


# -- what a call is given


def test_arguments_are_numbers_floats_or_places() -> None:
    assert [parse_argument(text) for text in ("0x10", "-3", "1.5", "-2e3", "1.f", "out", "@out", "e3", "out+16")] == [
        16, -3, 1.5, -2000.0, 1.0, "out", "@out", "e3", "out+16",
    ]  # fmt: skip


def test_data_is_placed_and_passed(tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(struct.pack("<3I", 7, 8, 9))
    path = elf(tmp_path, t.ldr(0, 0, 4), t.str_(0, 1), t.ldr(0, 1), RETURN)
    data = [parse_data(f"samples={tmp_path / 'in.bin'}"), parse_data("out=ZEROS:16")]
    assert time_function(path, "f", ["@samples", "@out"], data=data).calls[-1].r0 == 8
    assert time_function(path, "f", ["samples+4", "out+8"], data=data).calls[-1].r0 == 9


def test_data_lies_where_it_is_asked_for_and_its_bank_shows(tmp_path: Path) -> None:
    path = elf(tmp_path, t.ldr(2, 0), t.ldr(3, 1), RETURN)

    def cycles(second: str) -> int:
        data = [parse_data("a@0x20001000=ZEROS:8"), parse_data(f"b@{second}=ZEROS:8")]
        return time_function(path, "f", ["@a", "@b"], data=data, wait_states=0).calls[0].cycles

    assert cycles("0x2001c000") == cycles("0x10000000") == cycles("0x20002000") + 1


def test_data_follows_the_program_in_sram(tmp_path: Path) -> None:
    path = t.write_elf(tmp_path / "p.elf", {0x0800_0100: RETURN, t.SRAM1: bytes(13)}, {"f": 0x0800_0100})
    assert time_function(path, "f", ["@a"], data=[Placed("a", bytes(4))]).calls[-1].r0 == t.SRAM1 + 16


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "expected NAME=FILE or NAME=ZEROS:N"),
        ("a=absent.bin", "cannot read absent.bin"),
        ("a=ZEROS:0", "0 bytes is no size"),
        ("a=ZEROS:many", "'many' is no number"),
        ("a@there=ZEROS:4", "'there' is no number"),
    ],
)
def test_bad_data(text: str, says: str) -> None:
    with pytest.raises(HilError, match=says):
        parse_data(text)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([Placed("a", bytes(1 << 20))], "do not fit the SRAM"),
        ([Placed("a", bytes(4), 0x3000_0000)], "is not in RAM"),
        ([Placed("a", bytes(4), t.SRAM1), Placed("b", bytes(4), t.SRAM1 + 2)], "lies over what is at"),
        ([Placed("f", bytes(4))], "has a symbol of that name already"),
    ],
)
def test_data_that_cannot_be_placed(tmp_path: Path, data: list[Placed], says: str) -> None:
    with pytest.raises(HilError, match=says):
        time_function(elf(tmp_path, RETURN), "f", data=data)


@pytest.mark.parametrize(
    ("argument", "says"),
    [("f+x", "'x' is no number"), (1e39, "does not fit a float"), ("@absent", "no symbol 'absent'")],
)
def test_bad_arguments(tmp_path: Path, argument: str | float, says: str) -> None:
    with pytest.raises(HilError, match=says):
        time_function(elf(tmp_path, RETURN), "f", [argument])


def test_without_the_hard_float_abi_a_float_goes_to_a_core_register(tmp_path: Path) -> None:
    assert time_function(elf(tmp_path, t.mov(0, 1), RETURN), "f", [1, 1.5]).calls[-1].r0 == 0x3FC0_0000


def test_floats_go_to_s_registers_and_come_back_in_s0(tmp_path: Path) -> None:
    source = "float start(int n, float a, float b) { return (float)n * a + b; }"
    path = built(tmp_path, source, "arm-none-eabi-gcc", *M4)
    timing = time_function(path, "start", [3, 1.5, 0.25])
    assert timing.as_json()["s0"] == 4.75


def test_data_is_no_function(tmp_path: Path) -> None:
    source = "int table[4] = {1, 2, 3, 4}; int start(int k) { return table[k]; }"
    path = built(tmp_path, source, "arm-none-eabi-gcc", *M4)
    assert time_function(path, "start", [2]).calls[-1].r0 == 3
    with pytest.raises(HilError, match="'table' is data at 0x20000000, no function"):
        time_function(path, "table")
    with pytest.raises(HilError, match="'samples' is data"):
        time_function(path, "samples", data=[Placed("samples", bytes(4))])


# -- C++ and other compilers

COUNTER = """
struct Counter { int value; Counter(int start) : value(start * 3) {} };
volatile int fourteen = 14;
Counter counter(fourteen);
extern "C" int start() { return counter.value; }
extern "C" void more() { counter.value += 100; }
extern "C" void __aeabi_atexit() {}
void *__dso_handle;
"""


@pytest.mark.parametrize("compiler", ["arm-none-eabi-g++", "clang++"])
def test_static_objects_are_constructed_first(tmp_path: Path, compiler: str) -> None:
    path = built(tmp_path, COUNTER, compiler, *M4, "-fno-exceptions", "-fno-rtti", name="p.cpp")
    assert load_program(path, BOARD).constructors
    assert time_function(path, "start", repeat=2).calls[-1].r0 == 42
    assert time_function(path, "start", init=["more"]).calls[-1].r0 == 142
    assert time_function(path, "start", constructors=False).calls[-1].r0 == 0


def test_constructors_leave_the_caches_cold(tmp_path: Path) -> None:
    path = built(tmp_path, COUNTER, "arm-none-eabi-g++", *M4, "-fno-exceptions", "-fno-rtti", name="p.cpp")
    first = [time_function(path, "start", constructors=on, wait_states=5).calls[0].cycles for on in (True, False)]
    assert first[0] == first[1]


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("arm-none-eabi-gcc", M4),
        ("arm-none-eabi-gcc", (*M4, "-flto")),
        ("arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mfloat-abi=soft")),
        ("arm-none-eabi-gcc", ("-mcpu=cortex-m3",)),
        ("clang", M4),
        ("clang", ("-mcpu=cortex-m4", "-mfloat-abi=soft")),
    ],
    ids=["gcc", "lto", "soft", "m3", "clang", "clang-soft"],
)
def test_other_peoples_builds(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    path = built(tmp_path, SUM, compiler, *flags)
    data = [Placed("data", struct.pack("<5i", 1, -2, 3, 4, 5))]
    timing = time_function(path, "start", ["@data", 5], data=data)
    assert timing.calls[-1].r0 == -2 + 6 + 12 + 20
    assert 20 < timing.calls[-1].cycles < 300


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("-mcpu=cortex-m7", "-mfloat-abi=hard"), "built for a Cortex-M7"),
        (("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"), "built for a Cortex-M7"),
        (("-mcpu=cortex-m33", "-mfloat-abi=hard"), "Cortex-M33"),
        (("-march=armv7e-m+fp", "-mfloat-abi=hard", "-mfpu=vfpv4-d16"), "double-precision"),
    ],
    ids=["m7", "m7-single", "m33", "double"],
)
def test_other_cores_are_refused_by_name(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    path = built(tmp_path, SUM, "arm-none-eabi-gcc", *flags)
    with pytest.raises(HilError, match=says):
        time_function(path, "start")


# -- where a program may lie


@pytest.mark.parametrize("wait_states", [0, 5])
def test_a_program_linked_where_flash_shows_at_0_takes_as_long(tmp_path: Path, wait_states: int) -> None:
    body = t.ldr_literal(1, 8) + b"".join([ALU] * 30) + RETURN

    def cycles(start: int) -> tuple[int, ...]:
        path = t.write_elf(tmp_path / "p.elf", {start: body}, {"f": start})
        return tuple(c.cycles for c in time_function(path, "f", wait_states=wait_states, repeat=3).calls)

    assert cycles(0x100) == cycles(0x0800_0100)


def test_a_bit_of_sram_is_a_word_of_the_alias(tmp_path: Path) -> None:
    path = elf(tmp_path, t.str_(2, 1), t.ldr(0, 0), RETURN)
    alias = 0x2200_0000 + 32 * 0x100 + 4 * 5
    assert time_function(path, "f", [t.SRAM1 + 0x100, alias, 1]).calls[-1].r0 == 1 << 5


def test_backup_sram_is_memory_where_the_chip_has_it(tmp_path: Path) -> None:
    path = t.write_elf(
        tmp_path / "p.elf", {0x0800_0100: t.ldr(0, 0) + RETURN, 0x4002_4000: b"\x05\0\0\0"}, {"f": 0x0800_0100}
    )
    assert time_function(path, "f", [0x4002_4000]).calls[-1].r0 == 5
    with pytest.raises(HilError, match="lies outside the memory"):
        time_function(path, "f", [0x4002_4000], board="nucleo_f401re")


def test_stores_in_a_loop_go_to_memory(tmp_path: Path) -> None:
    body = t.str_back(0, 1, 4) + t.half(0x3A01)
    path = elf(tmp_path, t.movs(2, 50), body, t.b_if(1, -len(body)), t.ldr(0, 3), RETURN)
    timing: Timing = time_function(path, "f", [9, t.SRAM1, 0, t.SRAM1 + 49 * 4])
    assert timing.calls[-1].r0 == 9


def test_the_command_takes_data_and_floats(tmp_path: Path) -> None:
    path = elf(tmp_path, t.ldr(0, 0), RETURN)
    (tmp_path / "in.bin").write_bytes(b"\x2a\0\0\0")
    options = ["--call", "f", "--data", f"a={tmp_path / 'in.bin'}", "--arg", "@a", "--arg", "1.5", "--json"]
    result = CliRunner().invoke(app, ["cycles", str(path), *options])
    assert json.loads(result.output)["r0"] == 42


# -- calls that would take the computer hours

WAYS_TO_STAY = {
    "polling the cycle counter": ("for (;;) (void)R(0xE0001004);", "endless polling.*0xe0001004"),
    "polling a peripheral": ("for (;;) R(0x40020014) = 1;", "endless polling.*0x40020014"),
    "writing single bits": ("for (;;) R(0x22000000) = 1;", "endless polling.*0x22000000"),
    "writing its own code": (
        "for (unsigned n = 0;; n++) { H(0x20004000) = 0x2000 | (n & 255); H(0x20004002) = 0x4770;"
        ' __asm volatile("dsb; isb"); ((void (*)(void))0x20004001)(); }',
        "endless rewriting",
    ),
}


@pytest.mark.parametrize("way", WAYS_TO_STAY)
def test_a_call_that_would_take_the_computer_hours_is_given_up(tmp_path: Path, monkeypatch, way: str) -> None:
    monkeypatch.setattr("hil.timing.cycles.patience.MOST_ACCESSES", 1000)
    monkeypatch.setattr("hil.timing.cycles.patience.MOST_TRANSLATIONS", 1000)
    body, says = WAYS_TO_STAY[way]
    macros = "#define R(a) (*(volatile unsigned *)(a))\n#define H(a) (*(volatile unsigned short *)(a))\n"
    path = built(tmp_path, f"{macros}void start(void) {{ {body} }}", "arm-none-eabi-gcc", *M4)
    with pytest.raises(HilError, match=f"did not return, {says}"):
        time_function(path, "start", timeout_cycles=10_000_000)


def test_data_out_of_a_pipe_or_without_end_is_read_no_further_than_memory_goes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hil.timing.cycles.arguments._MOST_DATA", 1000)
    with pytest.raises(HilError, match="more than 1000 bytes"):
        parse_data("a=/dev/zero")
    monkeypatch.setattr("hil.reading.PIPE_S", 0.01)
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)  # somebody who writes nothing
    with pytest.raises(HilError, match="has not come to its end"):
        parse_data(f"a={tmp_path / 'pipe'}")
    os.close(held)
