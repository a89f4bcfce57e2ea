"""board.toml: what is worked out of it, and one clear line, with the line's number, for all that is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import board
from hil.board.chips import chips
from hil.board.clock import HSI_HZ, clock_tree, pll
from hil.board.schema import ChipTable
from hil.errors import HilError

MINE = """name = "mine"
title = "My board"
chip = "STM32F401RE"
clock_hz = 84_000_000
hse_hz = 25_000_000

[uart]
peripheral = "usart6"
tx_pin = "PA11"
rx_pin = "PC7"
"""
SDRAM = "[sdram]\nbank = 1\nbus_bits = 16\ncolumn_bits = 8\nrow_bits = 12\npins = ''\n"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "board.toml").write_text(text)
        return tmp_path / "mine"

    return write


def test_a_board_is_a_folder_anywhere(folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(MINE)
    mine = board.load(str(path))
    assert (mine.sram.bytes, mine.ccm, mine.sdram, mine.flash.bytes) == (98_304, None, None, 512 << 10)
    assert mine.uart.bus_hz == 84_000_000 and mine.flash_wait_states == 2
    with pytest.raises(HilError, match="no board is called 'mine'"):
        board.load("mine")
    monkeypatch.setenv("HIL_BOARDS", str(path.parent))
    assert board.load("mine") == mine and "mine" in board.names()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"STM32F401RE"', '"STM32H743ZI"', 3, "chip: expected an STM32F4's part number, such as STM32F407VG"),
        ('"STM32F401RE"', '"STM32F499RE"', 3, "no such STM32F4 is known here; the lines there are: STM32F401"),
        ('"STM32F401RE"', '"STM32F407VZ"', 3, "its eleventh character says how much flash"),
        ("clock_hz = 84_000_000", "clock_hz = 100_000_000", 4, "the chip runs at 84,000,000 Hz at most"),
        ("clock_hz = 84_000_000", "clock_hz = 83_333_333", 4, "the PLL cannot make it of 25,000,000 Hz; the nearest"),
        ("hse_hz = 25_000_000", 'hse_hz = "fast"', 5, "hse_hz: expected `int`, got `str`"),
        ("hse_hz = 25_000_000", "hse_hz = 32_000_000", 5, "hse_hz 32,000,000: a crystal has 4 to 26 MHz"),
        ("hse_hz = 25_000_000", "hse_hz = 999_999\nhse_is_clock = true", 5, "a clock signal has 1 to 50 MHz"),
        ("hse_hz =", "hze_hz =", 5, "hze_hz: there is no such entry"),
        ("hse_hz = 25_000_000", "device_id = 0x450", 5, "no STM32F4 has it; the STM32F401RE's is 0x433"),
        ("hse_hz = 25_000_000", "device_id = 0x413", 5, "another chip's, the STM32F401RE's is 0x433"),
        ('"usart6"', '"usart3"', 8, "the STM32F401RE has usart1, usart2, usart6"),
        ('"PA11"', '"PA2"', 9, "USART6's TX is on PC6 or PA11"),
        ('"PC7"', '"PC77"', 10, "uart.rx_pin: expected a pin, such as PA2"),
        ('rx_pin = "PC7"', 'rx_pin = "PC7"\nbaud = 8_000_000', 11, "USART6 at 84,000,000 Hz makes 5,250,000 of it"),
        ('rx_pin = "PC7"', "", 7, "rx_pin: it is missing"),
        ("[uart]", "[memory.sram2]\norigin = 0x2001_0000\nbytes = 65536\n[uart]", 7, "overlap sram1"),
        ("[uart]", "[memory.sram2]\norigin = 0x2010_0000\nbytes = 65536\n[uart]", 7, "banks lie side by side"),
        ("[uart]", "[memory.flash]\norigin = 0x8000000\nbytes = 134217728\n[uart]", 7, "from 0x08000000 to 0x0a000000"),
        ("[uart]", "[memory.sram1]\norigin = 0\nbytes = 65536\n[uart]", 7, "from 0x20000000 to 0x22000000"),
        ("[uart]", "[memory.sram1]\norigin = 0x20000400\nbytes = 65536\n[uart]", 7, "multiple of 4096"),
        ("[uart]", "[memory.rom]\norigin = 0\nbytes = 65536\n[uart]", 7, "memory: expected flash, sram, sram1 to"),
        ("[uart]", f"{SDRAM}[uart]", 7, "no SDRAM controller"),
        ('"STM32F401RE"', r'"STM32F401RE\n#error"', 3, "chip: expected an STM32F4's part number"),
        ('"PC7"', r'"PC7\n"', 10, "uart.rx_pin: expected a pin"),
        ('"My board"', r'"My \u001b[31mboard"', 2, "title: expected text of one line"),
        ('"My board"', '"My board */ ENTRY(x) /*"', 2, "title: expected text of one line"),
        ("[uart]", "[timing]\nvdiv = 3\n[uart]", 8, "timing.vdiv: there is no such entry"),
        ("[uart]", '[timing]\nfp_divide = "14"\n[uart]', 8, "timing.fp_divide: expected `int`, got `str`"),
        ("[uart]", "[timing]\ntail_chain = -1\n[uart]", 8, "timing.tail_chain: expected `int` >= 0"),
        ("[uart]", "[timing]\nbits_a_divide_cycle = 0\n[uart]", 8, "timing.bits_a_divide_cycle: expected `int` >= 1"),
        ("[uart]", "[timing]\nodd_word = true\n[uart]", 8, "timing.odd_word: expected `int`, got `bool`"),
        ('name = "mine"', "name = mine", 1, "is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    folder: Callable[[str], Path], old: str, new: str, line: int, said: str
) -> None:
    assert old in MINE
    path = folder(MINE.replace(old, new, 1))
    with pytest.raises(HilError) as caught:
        board.load(str(path))
    message = str(caught.value)
    assert said in message and "\n" not in message
    assert f"board.toml, line {line}:" in message or "is not TOML" in message


@pytest.mark.parametrize("value", ["nan", "inf", "-42", "1e300"])
def test_a_time_of_sdram_is_one_that_there_is(folder: Callable[[str], Path], value: str) -> None:
    path = folder(f"{MINE}{SDRAM}row_cycle_ns = {value}\n".replace("STM32F401RE", "STM32F429ZI"))
    with pytest.raises(HilError, match="sdram.row_cycle_ns: expected `float`"):
        board.load(str(path))


def test_folders_without_a_board_and_other_names(folder: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(HilError, match="is no board's folder: it has no board.toml"):
        board.load(str(tmp_path / "nothing"))
    with pytest.raises(HilError, match="name 'other' is not the folder's, 'mine'"):
        board.load(str(folder(MINE.replace('name = "mine"', 'name = "other"'))))


@pytest.mark.parametrize("name", board.names())
def test_both_sources_make_the_boards_clock_within_the_chips_limits(name: str) -> None:
    one = board.load(name)
    limits = one.line.clock
    for source, found in ((one.hse_hz, one.clock.hse), (HSI_HZ, one.clock.hsi)):
        assert found is not None
        vco = source // found.m * found.n
        assert vco // found.p == one.clock_hz
        assert 1_000_000 <= source / found.m <= 2_000_000 and limits.vco_min_hz <= vco <= limits.vco_max_hz
    assert one.clock_hz // one.clock.apb1 <= limits.apb1_max_hz
    assert one.clock_hz // one.clock.apb2 <= limits.apb2_max_hz


@given(chip=st.sampled_from(chips()), megahertz=st.integers(25, 180), crystal=st.sampled_from([4, 8, 12, 16, 25, 26]))
def test_a_clock_tree_is_exact_or_refused(chip: ChipTable, megahertz: int, crystal: int) -> None:
    try:
        tree = clock_tree(megahertz * 1_000_000, crystal * 1_000_000, chip.clock)
    except HilError as error:
        assert str(error).startswith("clock_hz")
        return
    assert tree.hse is not None
    assert crystal * tree.hse.n == megahertz * tree.hse.m * tree.hse.p
    assert megahertz * 1_000_000 <= chip.clock.wait_states[tree.wait_states]
    assert pll(HSI_HZ, megahertz * 1_000_000, chip.clock) == tree.hsi
