"""The chip's registers on the simulated board, one behaviour at a time."""

from __future__ import annotations

import logging

import pytest
from board_programs import DISCO, simulated

from hil.targets import TargetError
from hil.targets.sim import SimBoard
from hil.targets.sim.call import call
from hil.timing.compiled.engine import Mode


@pytest.fixture
def board() -> SimBoard:
    return simulated("peripherals")


@pytest.mark.parametrize(
    ("start", "bit", "value", "expected"), [(0, 5, 1, 0x20), (0xFFFF_FFFF, 31, 0, 0x7FFF_FFFF), (0, 9, 0xFE, 0)]
)
def test_bit_band_writes_one_bit_of_sram(board: SimBoard, start: int, bit: int, value: int, expected: int) -> None:
    assert call(board, "set_bit", [start, bit, value]).r0 == expected


@pytest.mark.parametrize("bit", [0, 7, 8, 31])
def test_bit_band_reads_one_bit_of_sram(board: SimBoard, bit: int) -> None:
    assert call(board, "get_bit", [1 << bit, bit]).r0 == 1
    assert call(board, "get_bit", [~(1 << bit), bit]).r0 == 0


def test_bit_band_reaches_peripherals_and_gpio_keeps_its_outputs(board: SimBoard) -> None:
    assert call(board, "switch_gpio_on_by_bit").r0 == 0x6000


def test_peripheral_without_clock_ignores_writes_and_says_so(board: SimBoard, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert call(board, "write_without_clock").r0 == 0
    assert "write_without_clock" in caplog.text and "clock is off" in caplog.text


def test_chip_identity(board: SimBoard) -> None:
    assert call(board, "read_word", [0xE004_2000]).r0 & 0xFFF == DISCO.device_id
    assert call(board, "read_word", [0xE000_ED00]).r0 == 0x410F_C241
    assert call(board, "read_word", [0x1FFF_7A22 & ~3]).r0 >> 16 == DISCO.flash.bytes // 1024


def test_address_0_shows_flash(board: SimBoard) -> None:
    assert call(board, "read_word", [0]).r0 == call(board, "read_word", [DISCO.flash.origin]).r0


def test_bytes_of_a_register_can_be_written_alone(board: SimBoard) -> None:
    call(board, "write_word", [0xE000_E400, 0x1020_3040])
    call(board, "write_byte", [0xE000_E402, 0xF0])
    assert call(board, "read_word", [0xE000_E400]).r0 == 0x10F0_3040
    assert call(board, "read_byte", [0xE000_E403]).r0 == 0x10


def test_only_four_priority_bits_exist(board: SimBoard) -> None:
    call(board, "write_word", [0xE000_E400, 0xFFFF_FFFF])
    assert call(board, "read_word", [0xE000_E400]).r0 == 0xF0F0_F0F0


def test_clock_tree_follows_the_registers(board: SimBoard) -> None:
    assert call(board, "start_clock").r0 & 0xF == 0xA, "PLL wanted and running"
    assert board.chip.rcc.hclk_hz == 168_000_000
    assert (board.chip.rcc.apb1_divider, board.chip.rcc.apb2_divider) == (4, 2)
    assert board.clock.hz == 168_000_000


def test_pll_without_its_crystal_never_gets_ready(board: SimBoard) -> None:
    assert call(board, "start_pll_without_crystal").r0 == 0x02, "wanted, neither ready nor switched to"


def test_too_few_wait_states_are_an_error(board: SimBoard) -> None:
    with pytest.raises(TargetError, match=r"168 MHz with 0 flash wait states and needs 5"):
        call(board, "start_clock_without_wait_states")


def test_clock_beyond_the_chip_is_an_error(board: SimBoard) -> None:
    call(board, "write_word", [0x4002_3C00, 0x7])
    call(board, "write_word", [0x4002_3800, 1 << 16])
    call(board, "write_word", [0x4002_3804, 8 | 400 << 6 | 1 << 22])
    call(board, "write_word", [0x4002_3800, 1 << 16 | 1 << 24])
    with pytest.raises(TargetError, match="200 MHz, stm32f407_disco runs at 168 MHz at most"):
        call(board, "write_word", [0x4002_3808, 2])


@pytest.mark.parametrize(
    ("code", "expected"),
    [  # by hand from docs/timing.md: the first of the two loads, and what lies between them
        ("nothing", 1),  # the second load overlaps with the first
        ("five_nops", 2 + 5),
        ("loads", 2 + 1 + 2),  # another bus slave, the same, another
        ("multiple", 2 + (1 + 3) + (1 + 3)),
        ("divide", 2 + 1 + 3),  # 7 by 7
        ("float_work", 2 + 1 + 1 + (1 + 14) + (1 + 3)),  # VDIV and VMLA wait for what was made just before
        ("loop", 2 + 1 + 10 * 2 + 9),  # SUBS and BNE ten times, the branch taken nine times
        ("skipped_branch", 2 + 1 + 1 + 1 + 1),
        ("under_it", 2 + 1 + 0 + 2 + 1),  # IT is folded into the CMP
    ],
)
def test_cycle_counter_is_exact_in_the_middle_of_a_block(board: SimBoard, code: str, expected: int) -> None:
    call(board, "start_counter")
    counted = [call(board, f"straight_{code}").r0 for _ in range(3)]
    assert counted == [expected] * 3, "also the first time, when the loads are not known to read a clock"


def test_cycle_counter_under_it_is_exact_once_known(board: SimBoard) -> None:
    call(board, "start_counter")
    counted = [call(board, "straight_read_under_it").r0 for _ in range(3)]
    assert counted[1:] == [2 + 1 + 0] * 2, "the first time Unicorn cannot stop inside the IT block"
    assert 0 <= counted[0] <= 12


def test_cycle_counter_can_be_set_and_stopped(board: SimBoard) -> None:
    call(board, "start_counter")
    assert call(board, "count_from", [0xFFFF_FFF0]).r0 < 20, "wraps"
    assert call(board, "stop_counter").r0 == 0


def test_cycle_counter_stands_still_without_trace_enable(board: SimBoard) -> None:
    assert call(board, "count_from", [5]).r0 == 0


@pytest.mark.parametrize(("ccm", "flags"), [(0, 0x30), (1, 0x08)])
def test_dma_reaches_sram_but_not_ccm(board: SimBoard, ccm: int, flags: int) -> None:
    board.usart.host_write(bytes(range(8)))
    board.usart._next_arrival = 10**6  # after start-up
    assert call(board, "receive_into", [ccm]).r0 == flags, "half and complete, or transfer error"
    if not ccm:
        assert board.core.memory.read(board.image.symbols.address("within_reach") or 0, 8) == bytes(range(8))


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_lowest_stack_pointer_is_exact(board: SimBoard, depth: int) -> None:
    top = DISCO.sram.origin + 1024
    board.core.watch_stack(DISCO.sram.origin, top)
    pattern = b"\xa5" * 1024
    board.core.memory.write(DISCO.sram.origin, pattern)
    call(board, "descend", [depth], sp=top)
    low = top - 16 * (depth + 1)
    assert (board.observed().stack_low, board.observed().stack_used) == (low, top - low)
    painted = board.core.memory.read(DISCO.sram.origin, 1024)
    assert len(painted) - len(painted.lstrip(b"\xa5")) == low + 8 - DISCO.sram.origin, "as painting sees it"


@pytest.mark.parametrize("code", ["five_nops", "loads", "multiple", "divide", "float_work", "loop", "under_it"])
@pytest.mark.parametrize("mode", ["fast", "full"])
def test_cycle_counter_equals_what_is_accounted_from_outside(code: str, mode: Mode) -> None:
    seen = []
    for pc in _reads_of_the_counter(code):  # stop the board just before each of the two, each time from power-on
        stopped = simulated("peripherals", mode=mode)
        seen.append(call(stopped, f"straight_{code}", stop=pc).cycles)
    board = simulated("peripherals", mode=mode)
    call(board, "start_counter")
    assert call(board, f"straight_{code}").r0 == seen[1] - seen[0]


def _reads_of_the_counter(code: str) -> list[int]:
    """The addresses of `ldr r1, [r0]` and `ldr r2, [r0]` in a function of STRAIGHT."""
    board = simulated("peripherals")
    start = board.image.symbols.address(f"straight_{code}") or 0
    body = board.core.memory.read(start, 128)
    return [start + body.index(opcode) for opcode in (b"\x01\x68", b"\x02\x68")]
