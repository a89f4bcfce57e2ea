"""The simulated board's serial port: DMA, interrupts, byte times, and virtual time as the host sees it."""

from __future__ import annotations

import logging
import random

import pytest
from board_programs import DISCO, target

from hil.targets import TargetError
from hil.targets.sim import SimTarget
from hil.targets.sim.peripherals import bus
from hil.targets.sim.peripherals.ending import Ending
from hil.timing.compiled import blockhook as hook

BYTE_CYCLES = 46 * 10 * 4  # BRR, ten bits, and APB1 runs at a quarter of the core's clock
PATTERN = bytes(n * 7 & 0xFF for n in range(1000))


def read_all(board: SimTarget, count: int, timeout_s: float = 0.05) -> bytes:
    """Bytes from the board until there are `count` or none comes any more."""
    data = b""
    while len(data) < count:
        part = board.read(timeout_s)
        if not part:
            break
        data += part
    return data


def inverted(data: bytes) -> bytes:
    return bytes(~byte & 0xFF for byte in data)


def talking(**options: tuple[str, ...]) -> SimTarget:
    """talk.c, ready for its first byte."""
    board = target("talk", **options)
    assert board.read(0.01) == b"?"
    return board


@pytest.fixture
def echo() -> SimTarget:
    board = target("echo")
    assert read_all(board, 5) == b"ready"
    return board


def test_echo_of_one_byte(echo: SimTarget) -> None:
    echo.write(b"\x0f")
    assert echo.read(0.01) == b"\xf0"


def test_circular_dma_wraps_and_marks_halves(echo: SimTarget) -> None:
    data = bytes(n * 13 & 0xFF for n in range(1000))
    echo.write(data)
    assert read_all(echo, len(data)) == inverted(data)
    memory, symbols = echo.sim.core.memory, echo.sim.image.symbols
    halves, wholes = (memory.word(symbols.address(name) or 0) for name in ("half_marks", "full_marks"))
    assert (halves, wholes) == (4, 3), "1000 bytes through a ring of 256"


def test_byte_time_follows_the_baud_rate(echo: SimTarget) -> None:
    start = echo.observed().cycles or 0
    echo.write(b"\x55")
    echo.read(0.01)
    took = (echo.observed().cycles or 0) - start
    # in, the idle line that wakes the core, out, and the pause after which the host is handed what has come
    assert 4 * BYTE_CYCLES < took < 4 * BYTE_CYCLES + 1000


def test_read_waits_for_virtual_time_only(echo: SimTarget) -> None:
    before = echo.observed().seconds or 0
    assert echo.read(3600.0) == b""
    assert (echo.observed().seconds or 0) - before == pytest.approx(3600.0, abs=0.001)


def test_idle_board_sleeps(echo: SimTarget) -> None:
    instructions = echo.observed().instructions
    echo.read(1.0)
    assert echo.observed().instructions == instructions


def test_sending_by_dma() -> None:
    board = talking()
    board.write(b"d")
    assert read_all(board, 1000) == PATTERN
    memory, symbols = board.sim.core.memory, board.sim.image.symbols
    assert memory.word(symbols.address("sent_marks") or 0) == 1


def test_what_a_handler_puts_where_the_bytes_were_is_not_sent() -> None:
    board = talking()
    board.write(b"s")
    assert read_all(board, 1000) == PATTERN
    assert board.read(0.01) == b"", "the handler gets done"
    assert board.read_memory(board.sim.image.symbols.address("pattern") or 0, 1000) == b"\xee" * 1000


def test_receiving_by_one_interrupt_a_byte() -> None:
    board = talking()
    board.write(b"i0123456789")
    assert read_all(board, 10) == b"0123456789"


def test_byte_that_nobody_takes_is_lost_with_overrun(caplog: pytest.LogCaptureFixture) -> None:
    board = talking()
    with caplog.at_level(logging.WARNING):
        board.write(b"oxyz")
        answer = read_all(board, 2)
    assert answer == b"\x01x", "overrun flag, and the byte that came first"
    assert board.sim.usart.bytes_lost == 2
    assert "USART2 loses" in caplog.text


def test_wrong_baud_rate_is_an_error() -> None:
    board = talking(defines=("WRONG_BAUD",))
    board.read(0.001)
    board.write(b"d")
    with pytest.raises(TargetError, match=r"USART2 at 115385 baud, the link at 921600"):
        board.read(0.1)


def test_bytes_to_a_board_that_is_not_listening_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    board = target("talk")
    board.write(b"early")  # at 16 MHz start-up takes longer than five bytes
    with caplog.at_level(logging.WARNING):
        board.read(0.01)
    assert board.sim.usart.bytes_lost == 5
    assert "while its receiver is off" in caplog.text


def test_firmware_that_listens_on_another_port_is_for_another_board() -> None:
    board = target("talk", defines=("OTHER_PORT",))
    board.read(0.001)
    board.write(b"hello")
    with pytest.raises(TargetError, match="listens on USART1, the link of stm32f407_disco is on USART2"):
        board.read(0.1)


def test_two_runs_take_the_same_cycles() -> None:
    def run(chunk: int) -> tuple[int | None, int | None]:
        board = target("echo")
        data = bytes(range(256)) * 2
        read_all(board, 5)
        for start in range(0, len(data), chunk):
            board.write(data[start : start + chunk])
            read_all(board, chunk)
        return board.observed().cycles, board.observed().instructions

    assert run(512) == run(512)
    assert run(100) == run(100)


def drawn_traffic(program: str, seed: int, looks_at_each_byte: bool) -> tuple[object, ...]:
    """What the host, the program and its memory see of drawn bytes at drawn times, each with its cycle."""
    rng = random.Random(seed)
    board = target(program)
    assert read_all(board, 5) == b"ready"
    chip, usart, log = board.sim.chip, board.sim.usart, []
    chip.nvic.on_active = lambda exception, begins: log.append((exception, begins, chip.core.now))

    def look(cycle: int) -> None:
        usart._catch_up(cycle)
        chip.events.set("look", cycle + BYTE_CYCLES, look)

    if looks_at_each_byte:
        look(chip.core.now)
    for _ in range(16):
        board.write(rng.randbytes(rng.choice([1, 2, 7, 40, 100, 200, 255])))
        for _ in range(rng.randrange(1, 4)):
            data = board.read(rng.choice([1e-5, 1e-4, 1e-3]))
            log.append((data, chip.core.now))
    log.append((read_all(board, 10_000), board.observed()))
    return log, board.read_memory(DISCO.sram.origin, DISCO.sram.bytes)


@pytest.mark.parametrize("program", ["echo", "relay"])
@pytest.mark.parametrize("seed", range(2))
def test_bytes_that_move_in_blocks_are_as_if_each_were_looked_at(program: str, seed: int) -> None:
    """The same interrupts, answers and cycles, and the same NDTR wherever the program reads it."""
    assert drawn_traffic(program, seed, looks_at_each_byte=True) == drawn_traffic(program, seed, False)


@pytest.mark.parametrize("command", [b"d", b"s"])
def test_a_transfer_ends_as_if_it_were_looked_at(command: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cycles of the interrupt, the same bytes and memory as with an event for Python at the last byte."""

    def run() -> tuple[object, ...]:
        board = talking()
        board.write(command)
        log: list[tuple[int, bool, int]] = []
        board.sim.chip.nvic.on_active = lambda exception, begins: log.append((exception, begins, board.sim.core.now))
        sent = read_all(board, 1001)  # and on, until the handler is done
        return log, sent, board.observed(), board.read_memory(DISCO.sram.origin, DISCO.sram.bytes)

    ends = []
    kept = Ending.expect
    monkeypatch.setattr(Ending, "expect", lambda *all: ends.append(kept(*all)) or ends[-1])
    natively = run()
    monkeypatch.setattr(Ending, "expect", lambda *_: False)
    assert run() == natively
    assert ends == [True] and len(natively[0]) == 2


def test_there_is_room_for_one_transfers_end() -> None:
    chip = talking().sim.chip
    first, second = chip.dmas[0].streams[6], chip.dmas[0].streams[3]
    for stream in (first, second):
        stream.write(3, DISCO.sram.origin), stream.write(1, 10)
    assert first.expect_end(chip.core.now + 100) and not second.expect_end(chip.core.now + 50)
    second.forget_end()
    assert first.expect_end(chip.core.now + 200), "its own is another"
    first.stall()
    assert second.expect_end(chip.core.now + 50), "what moves nothing does not end"


def test_polling_loops_cost_the_same_when_they_are_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> tuple[bytes, int, int]:
        board = talking()
        board.write(b"p")
        data = read_all(board, 100)
        words = board.sim.core.words
        return data, words[hook.CYCLES], words[hook.INSTRUCTIONS]

    short = run()
    monkeypatch.setattr(bus.PollingLoops, "note", lambda *_: None)
    assert run() == short
    assert short[0] == PATTERN[:100]


def test_reset_button_starts_the_firmware_again(echo: SimTarget) -> None:
    echo.reset()
    assert read_all(echo, 5) == b"ready"
    assert echo.sim.resets == 1


def test_memory_can_be_read_and_its_end_is_known(echo: SimTarget) -> None:
    assert echo.read_memory(DISCO.flash.origin, 4) == echo.read_memory(0, 4)
    with pytest.raises(TargetError, match="no memory there"):
        echo.read_memory(DISCO.sram.end - 2, 4)


def test_nothing_works_before_boot() -> None:
    board = SimTarget(DISCO)
    with pytest.raises(TargetError, match=r"boot\(\) one first"):
        board.read(0.1)
