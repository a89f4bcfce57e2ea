"""`hil cycles` on whole programs: semihosting, a USART, from one symbol to another; and the pytest fixture."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import thumb as t
from typer.testing import CliRunner

from hil.cli import app
from hil.errors import HilError
from hil.targets.sim.program import run_program
from hil.timing.cycles.expected import TimedProgram

SOURCE = r"""
typedef unsigned u;
extern u stack_top;
int main(void);
__attribute__((naked)) static int ask(int operation, const void *block) {
  __asm volatile("bkpt 0xab\n bx lr");
}
static void say(const char *text) { ask(4, text); }
__attribute__((noinline, used)) int work(int n) {
  volatile int sum = 0;
  for (int i = 0; i < n; i++) sum += i;
  return sum;
}
__attribute__((noinline, used)) void done(void) { __asm volatile("nop"); }
#define REG(a) (*(volatile u *)(a))
int main(void) {
  REG(0x40023840) |= 1u << 17;                      // USART2's clock
  REG(0x40004408) = 139; REG(0x4000440C) = 1u << 13 | 1u << 3;
  for (const char *s = "by uart\n"; *s; s++) {
    while (!(REG(0x40004400) & 1u << 7)) {}
    REG(0x40004404) = (u)*s;
  }
  while (!(REG(0x40004400) & 1u << 6)) {}
  say("hello\n");
  const char *text = "written\n";
  struct { u handle; const char *data; u length; } block = {1, text, 8};
  ask(5, &block);
  int sum = work(1000);
  done();
  return sum == 499500 ? 0 : 3;
}
void reset(void) {
  u block[2] = {0x20026, (u)main()};
  ask(0x20, block);
  for (;;) {}
}
void fault(void) { for (;;) {} }
__attribute__((section(".vectors"), used)) const u vectors[16] = {0x20010000, (u)reset, (u)fault, (u)fault};
"""
LINK = "SECTIONS { .vectors 0x08000000 : { KEEP(*(.vectors)) } .text : { *(.text*) *(.rodata*) } }"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi")
    return build(tmp_path_factory.mktemp("program"), SOURCE)


def build(folder: Path, source: str) -> Path:
    (folder / "p.c").write_text(source)
    (folder / "p.ld").write_text(LINK)
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O2", "-nostdlib", "-ffreestanding", "-T", str(folder / "p.ld")]
    order = ["arm-none-eabi-gcc", *flags, str(folder / "p.c"), "-o", str(folder / "p.elf")]
    subprocess.run(order, check=True, capture_output=True)
    return folder / "p.elf"


def test_a_program_prints_by_semihosting_and_a_usart_and_exits(program: Path) -> None:
    ran = run_program(program, timeout_cycles=10**7)
    assert sorted(ran.output.decode().splitlines()) == ["by uart", "hello", "written"]
    assert ran.exit_code == 0
    assert ran.cycles > ran.instructions > 3000


def test_two_runs_take_the_same_cycles(program: Path) -> None:
    assert run_program(program, timeout_cycles=10**7) == run_program(program, timeout_cycles=10**7)


def test_cycles_count_from_one_symbol_to_another(program: Path) -> None:
    all_of_it = run_program(program, timeout_cycles=10**7)
    part = run_program(program, since="work", until="done", timeout_cycles=10**7)
    assert 4000 < part.instructions < 8000 < part.cycles < all_of_it.cycles
    assert part.exit_code is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"until": "wrok"}, "no symbol 'wrok'"),
        ({"until": "done", "timeout_cycles": 2000}, "did not come to done within 2000 cycles"),
        ({"since": "fault"}, "ended before it came to fault: it last printed"),
    ],
)
def test_places_that_it_does_not_come_to(program: Path, options: dict[str, object], says: str) -> None:
    options.setdefault("timeout_cycles", 10**7)
    with pytest.raises(HilError, match=says):
        run_program(program, **options)  # type: ignore[arg-type]


def test_a_program_that_ends_first_is_said_to_have_ended(program: Path) -> None:
    assert run_program(program, until="fault", timeout_cycles=10**7).exit_code == 0


def test_the_command_runs_a_whole_program(program: Path) -> None:
    result = CliRunner().invoke(app, ["cycles", str(program), "--from", "work", "--until", "done", "--json"])
    assert json.loads(result.output)["cycles"] > 4000
    result = CliRunner().invoke(app, ["cycles", str(program)])
    assert "hello" in result.output and "exit code 0" in result.output


@pytest.mark.parametrize("options", [["--arg", "1"], ["--repeat", "2"], ["--call", "work", "--until", "done"]])
def test_options_of_the_other_kind_are_refused(program: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["cycles", str(program), *options])
    assert isinstance(result.exception, HilError) and "whole program" in str(result.exception)


# -- in a test of any project


def test_the_fixture_gives_cycles_to_compare(tmp_path: Path, hil_cycles: Callable[..., TimedProgram]) -> None:
    code = t.ldr(0, 0), t.add_wide(0, 0, 1), t.bx(t.LR)
    path = t.write_elf(tmp_path / "p.elf", {0x0800_0100: b"".join(code)}, {"f": 0x0800_0100})
    taken = hil_cycles(path, wait_states=0).call("f", struct.pack("<I", 40), 2)
    assert taken <= 6 and taken == 2 + 1 + 3 and taken.r0 == 42
    assert hil_cycles(path).call("f", t.SRAM1, 2, mode="fast", wait_states=0) == taken
    with pytest.raises(HilError, match="no symbol 'g'"):
        hil_cycles(path).call("g")


def test_a_program_that_asks_or_prints_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi")
    for_ever = ("ask(16, 0);", "say(text);", "say((char *)0x08000000);")
    monkeypatch.setattr("hil.targets.sim.semihosting.MOST_REQUESTS", 1000)
    monkeypatch.setattr("hil.targets.sim.semihosting.MOST_PRINTED", 4000)
    for asked in for_ever:
        source = SOURCE.replace("int sum = work(1000);", f"for (;;) {asked} int sum = 0;")
        with pytest.raises(HilError, match="semihosting requests, .* bytes printed: it does so for ever"):
            run_program(build(tmp_path, source), timeout_cycles=10_000_000)


def test_a_string_ends_at_its_zero_wherever_it_lies(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi")
    text = "x" * 200
    source = SOURCE.replace(
        "int sum = work(1000);", f'for (int n = 0; n < 199; n += 33) say("{text}" + n); int sum = 0;'
    )
    printed = run_program(build(tmp_path, source), timeout_cycles=10_000_000).output.decode()
    assert "written\n" + "".join(text[n:] for n in range(0, 199, 33)) in printed.replace("by uart\n", "")
