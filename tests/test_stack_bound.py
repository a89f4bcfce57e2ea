"""The static bound on the stack, on small firmwares with known frames."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hil.firmware.disassembly import pushed_bytes
from hil.firmware.stack import EXCEPTION_FRAME_BYTES, StackBound, stack_bound

GCC = "arm-none-eabi-gcc"
FLAGS = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-fno-inline", "-fstack-usage", "-nostdlib", "-Wl,-Ttext=0x08000000"]
LEAF = "int leaf(int x) { volatile int a[32]; a[0] = x; return a[0]; }\n"

pytestmark = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"needs {GCC}: apt-get install -y gcc-arm-none-eabi")


def bound_of(source: str, tmp_path: Path, *flags: str) -> StackBound:
    """The bound of a source whose entry is reset()."""
    (tmp_path / "a.c").write_text(source)
    command = [GCC, *FLAGS, "-Wl,-ereset", *flags, "a.c", "-o", "a.elf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return stack_bound(tmp_path / "a.elf", tmp_path)


def test_frames_add_up_along_the_deepest_path(tmp_path: Path) -> None:
    bound = bound_of(
        LEAF + "int small(int x) { return leaf(x) + 1; }\n"
        "int big(int x) { volatile int a[100]; a[1] = x; return leaf(a[1]) + 1; }\n"
        "void reset(void) { small(1); big(2); }",
        tmp_path,
    )
    assert [name for name, _ in bound.path] == ["reset", "big", "leaf"]
    assert bound.bytes == sum(frame for _, frame in bound.path)
    assert dict(bound.path)["leaf"] >= 128 and dict(bound.path)["big"] >= 400


def test_a_call_through_a_table_may_go_to_any_function_in_it(tmp_path: Path) -> None:
    bound = bound_of(
        LEAF + "static int wide(int x) { volatile int a[200]; a[0] = x; return a[0]; }\n"
        "int (*const table[])(int) = {leaf, wide};\n"
        "void reset(void) { volatile int i = 0; table[i](1); }",
        tmp_path,
    )
    assert [name for name, _ in bound.path] == ["reset", "wide"]


def test_a_tail_call_counts(tmp_path: Path) -> None:
    bound = bound_of(LEAF + "int last(int x) { return leaf(x); }\nvoid reset(void) { last(1); }", tmp_path, "-O2")
    assert bound.path[-1][0] == "leaf" and bound.bytes is not None and bound.bytes >= 128


@pytest.mark.parametrize(
    "source",
    [
        "int f(int n) { volatile int a[4]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }\nvoid reset(void) { f(9); }",
        "int g(int n);\nint f(int n) { volatile int a = n; return g(a) + a; }\n"
        "int g(int n) { volatile int a = n; return f(a) + a; }\nvoid reset(void) { f(9); }",
        "void f(int n) { volatile char a[n]; a[0] = 1; (void)a[0]; }\nvoid reset(void) { volatile int n = 5; f(n); }",
    ],
    ids=["recursion", "mutual recursion", "variable-length array"],
)
def test_what_has_no_bound_is_named_and_gets_none(tmp_path: Path, source: str) -> None:
    bound = bound_of(source, tmp_path)
    assert bound.bytes is None and "f" in bound.unbounded


def test_recursion_on_purpose_spoils_no_bound(tmp_path: Path) -> None:
    source = (
        "int f(int n) { volatile int a[4]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }\n"
        "void provoke(int kind) { f(kind); __asm(\"\"); }\nvoid reset(void) { provoke(1); __asm(\"\"); }"
    )  # fmt: skip
    assert bound_of(source, tmp_path).unbounded == ()


def test_interrupts_come_on_top_and_fault_handlers_do_not(tmp_path: Path) -> None:
    table = '__attribute__((section(".text.a"), used)) const void *const vectors[] = '
    source = (
        LEAF
        + "void tick(void) { leaf(1); }\nvoid hard_fault(void) { volatile int a[500]; a[0] = 1; }\n"
        + "extern char top;\nvoid reset(void);\n"
        + table
        + "{(void *)0x20001000, reset, 0, hard_fault, 0, tick, tick};\nvoid reset(void) { leaf(2); }"
    )
    script = tmp_path / "a.ld"
    script.write_text("ENTRY(reset)\nSECTIONS { . = 0x08000000; .text : { *(.text.a) *(.text*) *(.rodata*) } }")
    bound = bound_of(source, tmp_path, "-T", "a.ld")
    assert [name for name, _ in bound.path] == ["reset", "leaf"]
    assert bound.interrupt_bytes >= EXCEPTION_FRAME_BYTES + 128
    assert bound.interrupt_bytes < 2 * EXCEPTION_FRAME_BYTES + 256  # `tick` stands twice in the table, and counts once


def test_an_assembly_function_is_measured_by_its_instructions(tmp_path: Path) -> None:
    lines = (".thumb", ".syntax unified", ".global low", ".type low, %function", ".thumb_func", "low:")
    lines += ("push {r4-r7, lr}", "sub sp, sp, #40", "add sp, sp, #40", "pop {r4-r7, pc}", ".size low, .-low")
    source = "".join(f'__asm("{line}");\n' for line in lines) + "void low(void);\nvoid reset(void) { low(); }"
    assert dict(bound_of(source, tmp_path).path)["low"] == 60


@pytest.mark.parametrize(
    ("instruction", "size"),
    [
        (("push", "{r4, r5, lr}"), 12),
        (("push.w", "{r4, r5, r6, r7, r8, lr}"), 24),
        (("vpush", "{d8, d9}"), 16),
        (("sub", "sp, #0x10"), 16),
        (("sub.w", "sp, sp, #0x410"), 1040),
        (("stmdb", "sp!, {r4, lr}"), 8),
        (("str", "lr, [sp, #-4]!"), 4),
        (("strd", "r4, r5, [sp, #-0x10]!"), 16),
        (("str", "r0, [sp, #4]"), 0),
        (("add", "sp, #0x10"), 0),
        (("sub", "r0, r1, #4"), 0),
    ],
)
def test_pushed_bytes_of(instruction: tuple[str, str], size: int) -> None:
    assert pushed_bytes(*instruction) == size
