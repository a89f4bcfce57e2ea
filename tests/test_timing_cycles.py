"""`hil cycles`: ELF files written byte by byte, run and timed; bad input one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import thumb as t
from typer.testing import CliRunner

from hil.cli import app
from hil.errors import HilError
from hil.timing.cycles.call import Timing, time_function
from hil.timing.statement import rules

CYCCNT, SYST = 0xE000_1004, 0xE000_E010


def elf(folder: Path, *code: bytes, name: str = "f", **more: object) -> Path:
    """An executable whose function lies at 0x08000100."""
    segments, functions = {0x0800_0100: b"".join(code)}, {name: 0x0800_0100}
    return t.write_elf(folder / "p.elf", segments, functions, **more)  # type: ignore[arg-type]


def time(folder: Path, *code: bytes, **options: object) -> Timing:
    options.setdefault("wait_states", 0)
    return time_function(elf(folder, *code), "f", **options)  # type: ignore[arg-type]


ALU = t.add_wide(0, 0, 1)
RETURN = t.bx(t.LR)


def test_cycles_run_from_the_first_instruction_to_the_arrival_at_the_return_address(tmp_path: Path) -> None:
    timing = time(tmp_path, ALU, ALU, RETURN)
    assert timing.calls[0].cycles == 1 + 1 + 3
    assert timing.calls[0].instructions == 3


def test_waits_of_the_first_fetch_count_and_then_the_cache_is_warm(tmp_path: Path) -> None:
    timing = time(tmp_path, ALU, ALU, RETURN, wait_states=5, repeat=3)
    assert [call.cycles for call in timing.calls] == [5 + 5, 5, 5]


def test_arguments_go_to_registers_and_the_stack(tmp_path: Path) -> None:
    code = t.ldr(1, t.SP, 4), t.add_wide(0, 3, 1), RETURN  # r3 + the sixth argument
    assert time(tmp_path, *code, arguments=[1, 2, 3, 40, 5, 600]).calls[-1].r0 == 640
    assert time(tmp_path, t.mov(0, 1), RETURN, arguments=[0, -1]).calls[-1].r0 == 0xFFFF_FFFF


def test_an_argument_can_be_a_symbol(tmp_path: Path) -> None:
    assert time(tmp_path, RETURN, arguments=["f"]).calls[-1].r0 == 0x0800_0100


def test_the_stack_is_where_it_is_asked_for(tmp_path: Path) -> None:
    assert time(tmp_path, t.mov(0, t.SP), RETURN).calls[-1].r0 == 0x2002_0000
    assert time(tmp_path, t.mov(0, t.SP), RETURN, stack=0x2001_C000).calls[-1].r0 == 0x2001_C000


def test_the_stack_s_bus_slave_shows(tmp_path: Path) -> None:
    code = t.load_constant(2, t.SRAM1), t.push(4, 5), t.ldr(0, t.SP), t.ldr(1, 2), t.pop(4, 5), RETURN
    apart = time(tmp_path, *code).calls[0].cycles  # the stack in SRAM2, r2 in SRAM1
    together = time(tmp_path, *code, stack=0x2001_C000).calls[0].cycles
    assert apart == together + 1


@pytest.mark.parametrize("thumb_bit", [0, 1])
def test_symbols_with_and_without_the_thumb_bit(tmp_path: Path, thumb_bit: int) -> None:
    path = elf(tmp_path, ALU, RETURN, thumb_bit=thumb_bit)
    assert time_function(path, "f", wait_states=0).calls[0].instructions == 2


def test_data_is_at_its_address_and_where_it_is_stored(tmp_path: Path) -> None:
    code = t.load_constant(1, t.SRAM1) + t.load_constant(2, 0x0800_1000) + t.ldr(0, 1) + t.ldr(1, 2) + ALU + RETURN
    path = t.write_elf(
        tmp_path / "p.elf",
        {0x0800_0100: code, t.SRAM1: b"\x07\0\0\0"},
        {"f": 0x0800_0100},
        stored_at={t.SRAM1: 0x0800_1000},
    )
    assert time_function(path, "f").calls[0].r0 == 14


def test_fp_registers_hold_an_address_in_sram_at_each_call(tmp_path: Path) -> None:
    """Kernels that keep pointers in S registers are published with callers that never set those."""
    code = t.vmov_to_core(1, 20), t.str_(1, 1), t.ldr(0, 1), t.vadd(20, 20, 20), RETURN
    assert [call.r0 for call in time(tmp_path, *code, repeat=2).calls] == [0x2000_8000] * 2
    assert time(tmp_path, *code, repeat=2).calls[0].cycles == 1 + (1 + 1) + (1 + 2) + 1 + 3


@pytest.mark.parametrize("start", [0x2000_0000, 0x2001_C100], ids=["sram1", "sram2"])
def test_code_in_sram_comes_a_cycle_later_and_never_waits_for_flash(tmp_path: Path, start: int) -> None:
    path = t.write_elf(tmp_path / "p.elf", {start: ALU + ALU + RETURN}, {"f": start})

    def cycles(*disabled: str) -> list[int]:
        return [call.cycles for call in time_function(path, "f", wait_states=5, repeat=2, disabled=disabled).calls]

    assert cycles() == [1 + 5] * 2, "the first word; those behind it are asked for a cycle each"
    assert cycles("sram-fetch") == [5, 5]


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_code_in_sram_waits_for_its_own_accesses_to_the_system_bus(tmp_path: Path, mode: str) -> None:
    code = b"".join([t.ldr(0, 3), t.ldr(1, 3, 4), t.ldr(0, 3), t.ldr(1, 3, 4)] * 5) + RETURN
    path = t.write_elf(tmp_path / "p.elf", {t.SRAM1: code}, {"f": t.SRAM1})

    def cycles(data: int, *disabled: str) -> int:
        options = {"wait_states": 0, "disabled": disabled, "mode": mode}
        return time_function(path, "f", [0, 0, 0, data], **options).calls[0].cycles  # type: ignore[arg-type]

    beside, in_the_way = cycles(t.CCM), cycles(t.SRAM1 + 0x1000)
    assert beside < in_the_way
    assert cycles(t.CCM, "sram-fetch") == cycles(t.SRAM1 + 0x1000, "sram-fetch") <= beside


def test_a_function_at_2_mod_4_whose_first_instruction_is_wide_fetches_two_words(tmp_path: Path) -> None:
    path = t.write_elf(tmp_path / "p.elf", {0x0800_0102: ALU + RETURN}, {"f": 0x0800_0102})
    assert time_function(path, "f", wait_states=0).calls[0].cycles == 1 + 1 + 3
    assert time(tmp_path, ALU, RETURN).calls[0].cycles == 1 + 3


@pytest.mark.parametrize(
    ("flash", "first", "again"),
    [  # four words in a row and a return, by hand: what the array takes longer than decode (one word a cycle)
        ("stm32f4", 5 + 4 + 3, 4 + 3),  # one line of 16 bytes and its 5 wait states, the return in the prefetched next
        ("none", None, None),
    ],
)
def test_flash_accelerators_differ(tmp_path: Path, flash: str, first: int | None, again: int | None) -> None:
    timing = time(tmp_path, ALU, ALU, ALU, t.nop(), RETURN, wait_states=5, repeat=2, flash=flash)
    cycles = [call.cycles for call in timing.calls]
    if flash == "none":
        assert cycles[0] == cycles[1] > 4 * 5, "every word is waited for, each time"
    else:
        assert cycles == [first, again]


def test_an_accelerator_brings_its_chip_s_wait_states(tmp_path: Path) -> None:
    path = elf(tmp_path, *[ALU] * 100, RETURN)
    cycles = {name: time_function(path, "f", flash=name).calls[0].cycles for name in ("stm32f4", "stm32l4")}
    four = time_function(path, "f", flash="stm32l4", wait_states=4).calls[0].cycles
    assert cycles["stm32l4"] == four > cycles["stm32f4"], "half as many bytes a read, 4 wait states for 5"
    warm = time_function(path, "f", flash="stm32l4", repeat=2).calls[1].cycles
    assert warm == time_function(path, "f", wait_states=0).calls[0].cycles, "400 bytes fit its 1 KB"


def test_a_literal_is_a_data_read_of_the_flash_at_first_and_cached_then(tmp_path: Path) -> None:
    code = t.ldr_literal(0, 8), t.nop(), RETURN, t.nop(), t.nop(), t.nop(), (77).to_bytes(4, "little")  # one line
    timing = time(tmp_path, *code, wait_states=5, repeat=2)
    fetch, read = 5, 4 + 5  # the prefetch of the next line has the array for 4 cycles more when the literal is due
    assert timing.calls[0].r0 == 77
    assert [call.cycles for call in timing.calls] == [fetch + read + 2 + 1 + 3, 2 + 1 + 3]


def test_the_fpu_is_on(tmp_path: Path) -> None:
    assert time(tmp_path, t.vadd(0, 1, 2), t.vmov_to_core(0, 0), RETURN).calls[0].r0 == 0x2080_8000  # twice 0x20008000


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("wait_states", [0, 5])
def test_a_program_that_reads_cyccnt_in_the_middle_of_a_block_sees_the_same_cycles(
    tmp_path: Path, mode: str, wait_states: int
) -> None:
    # Between the two reads: a load not overlapped (2), three ALU (3), a divide of 0 by 0 (2), and the first read
    # itself, whose successor is no load (2).
    body = t.ldr(4, 3), ALU, ALU, ALU, t.udiv(5, 6, 6)
    code = (
        t.load_constant(2, CYCCNT),
        t.load_constant(3, t.SRAM1),
        t.load_constant(6, 0),
        ALU,
        t.ldr(0, 2),
        ALU,
        *body,
        t.ldr(1, 2),
    )
    subtract = t.half(0xEBA1, 0x0000)  # SUB r0, r1, r0
    timing = time(tmp_path, *code, subtract, RETURN, mode=mode, wait_states=wait_states, repeat=2)
    divide = 2
    assert timing.calls[-1].r0 == 2 + 1 + 2 + 3 + divide


def test_reading_the_counter_does_not_change_the_count(tmp_path: Path) -> None:
    def run(address: int) -> int:
        code = t.load_constant(2, address), ALU, t.ldr(0, 2), t.ldr(1, 2), ALU, t.str_(1, 3), RETURN
        return time(tmp_path, *code, arguments=[0, 0, 0, t.SRAM1]).calls[0].cycles

    assert run(CYCCNT) == run(0x4000_0000)


def test_cyccnt_can_be_written(tmp_path: Path) -> None:
    code = t.load_constant(2, CYCCNT), t.load_constant(0, 100), ALU, t.str_(0, 2), ALU, ALU, t.ldr(0, 2), RETURN
    # The store executes, counts as 100; ALU, ALU, and the load executes three cycles after the store.
    assert time(tmp_path, *code).calls[0].r0 == 103


def test_systick_counts_the_same_cycles_down(tmp_path: Path) -> None:
    code = (
        t.load_constant(2, SYST), t.load_constant(0, 999), t.str_(0, 2, 4), t.str_(0, 2, 8),
        t.load_constant(0, 5), t.str_(0, 2),
        ALU, t.ldr(0, 2, 8), ALU, ALU, t.ldr(1, 2, 8), t.half(0xEBA0, 0x0001), RETURN,
    )  # fmt: skip
    assert time(tmp_path, *code).calls[0].r0 == 2 + 1 + 1


def test_all_rules_off_gives_instruction_counts(tmp_path: Path) -> None:
    timing = time(tmp_path, t.ldr(0, 3), ALU, RETURN, arguments=[0, 0, 0, t.SRAM1], disabled=["all"], wait_states=5)
    assert timing.calls[0].cycles == timing.calls[0].instructions == 3


@pytest.mark.parametrize("rule", rules.NAMES)
def test_every_rule_can_be_named(tmp_path: Path, rule: str) -> None:
    assert time(tmp_path, ALU, RETURN, disabled=[rule]).calls[0].instructions == 2


def test_fast_and_full_agree_on_code_without_surprises(tmp_path: Path) -> None:
    code = t.movs(2, 200), t.ldr(0, 3), t.ldr(1, 3), ALU, t.half(0x3A01), t.b_if(1, -14), RETURN
    full, fast = (time(tmp_path, *code, arguments=[0, 0, 0, t.SRAM1], mode=mode).calls[0] for mode in ("full", "fast"))
    assert full == fast


# -- bad input


def complaint(path: Path, symbol: str = "f", **options: object) -> str:
    with pytest.raises(HilError) as caught:
        time_function(path, symbol, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_symbol_that_is_not_there(tmp_path: Path) -> None:
    path = elf(tmp_path, RETURN, name="keccak_permute")
    assert "no symbol 'keccak_premute': did you mean keccak_permute?" in complaint(path, "keccak_premute")


def test_no_file_and_no_elf(tmp_path: Path) -> None:
    assert "cannot read the firmware" in complaint(tmp_path / "absent.elf")
    (tmp_path / "text").write_text("no ELF")
    assert "is not an ELF file" in complaint(tmp_path / "text")
    (tmp_path / "short").write_bytes(elf(tmp_path, RETURN).read_bytes()[:60])
    assert "is not an ELF file" in complaint(tmp_path / "short")


def test_another_core(tmp_path: Path) -> None:
    assert "is for another core" in complaint(elf(tmp_path, RETURN, machine=243))


def test_not_linked(tmp_path: Path) -> None:
    assert "is not linked" in complaint(elf(tmp_path, RETURN, kind=1))


@pytest.mark.parametrize("address", [0x0810_0000 - 2, 0x2002_0000, 0x1001_0000, 0x0021_0000, 0x6000_0000])
def test_outside_the_chip_s_memory(tmp_path: Path, address: int) -> None:
    path = t.write_elf(tmp_path / "p.elf", {0x0800_0100: RETURN, address: bytes(4)}, {"f": 0x0800_0100})
    message = complaint(path)
    assert "outside the memory of the STM32F407VG" in message and f"{address:#010x}" in message


def test_code_that_runs_into_an_undecodable_instruction(tmp_path: Path) -> None:
    message = complaint(elf(tmp_path, t.nop(), t.half(0xDE00)))
    assert "f+0x2 (0x08000102)" in message and "no instruction" in message


def test_a_function_that_never_returns(tmp_path: Path) -> None:
    message = complaint(elf(tmp_path, t.nop(), t.b(0)), timeout_cycles=5000)
    assert "did not return within 5000 cycles" in message and "f+0x2 (0x08000102)" in message


def test_accesses_outside_memory(tmp_path: Path) -> None:
    path = elf(tmp_path, t.ldr(0, 1), RETURN)
    assert "0x30000000 is read" in complaint(path, arguments=[0, 0x3000_0000])
    path = elf(tmp_path, t.str_(0, 1), RETURN)
    assert "0x08000000 is written" in complaint(path, arguments=[0, 0x0800_0000])
    path = elf(tmp_path, t.bx(0))
    message = complaint(path, arguments=[0x1000_0001])
    assert "would have to run from 0x10000000" in message and "CCM has no instruction bus" in message


def test_a_function_that_sleeps(tmp_path: Path) -> None:
    message = complaint(elf(tmp_path, t.half(0xBF30), RETURN))
    assert "went to sleep before f+0x2 (0x08000102)" in message and "did not return" not in message


def test_a_supervisor_call_has_no_handler(tmp_path: Path) -> None:
    assert "raised an exception" in complaint(elf(tmp_path, t.half(0xDF01), RETURN))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"disabled": ["fetch-quue"]}, "did you mean 'fetch-queue'?"),
        ({"mode": "slow"}, "there is no mode 'slow'"),
        ({"wait_states": 16}, "0 to 15 wait states"),
        ({"flash": "stm32l5"}, "did you mean 'stm32l4'?"),
        ({"repeat": 0}, "at least 1"),
        ({"stack": 0x3000_0000}, "in no RAM"),
        ({"board": "discovery"}, "no board is called"),
        ({"arguments": ["buffer"]}, "no symbol 'buffer'"),
        ({"arguments": [1 << 32]}, "does not fit a register's 32 bits"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, object], says: str) -> None:
    assert says in complaint(elf(tmp_path, RETURN), **options)


# -- the command


def test_the_command_prints_json(tmp_path: Path) -> None:
    path = elf(tmp_path, ALU, RETURN)
    options = "--call f --arg 3 --arg 0x4 --wait-states 0 --repeat 2 --json"
    result = CliRunner().invoke(app, ["cycles", str(path), *options.split()])
    assert json.loads(result.output) == {"symbol": "f", "cycles": [4, 4], "instructions": [2, 2], "r0": 7}


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["cycles", str(elf(tmp_path, ALU, RETURN)), "--call", "f", "--sp", "0x20010000"])
    assert result.exit_code == 0
    assert "instructions" in result.output and "r0" in result.output


def test_the_command_annotates_the_hottest_blocks(tmp_path: Path) -> None:
    options = ["--call", "f", "--wait-states", "5", "--annotate", "1"]
    result = CliRunner().invoke(app, ["cycles", str(elf(tmp_path, ALU, RETURN)), *options])
    assert result.exit_code == 0
    assert "1. f (0x" in result.output and "100.0 % of all cycles, 1 times" in result.output
    assert "wait-states: the flash line was not in the instruction cache" in result.output
