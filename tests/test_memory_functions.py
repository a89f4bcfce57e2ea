"""The firmware's memory functions against Python's, on the simulated core, by every compiler there is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from compilers import BOARD, toolchains

from hil import board as boards
from hil.board.generate import write_board
from hil.firmware.cmake import find_tools, run_cmake
from hil.paths import platforms
from hil.timing.cycles.core import Core
from hil.timing.cycles.program import Program, load_program

PROJECT = Path(__file__).parent / "firmware" / "memory"
DISCO = boards.load(BOARD)
MEMORY, BYTES = 0x2000_4000, 8192
GREATEST = 600
ROUNDS = 300
LIMIT_CYCLES = 100_000


class Functions:
    """The four functions, called on memory that Python can see."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.core = Core(program, DISCO, "fast")

    def call(self, name: str, *arguments: int) -> int:
        words = [argument & 0xFFFF_FFFF for argument in arguments]
        return self.core.call(self.program.address(name), words, DISCO.sram.end, LIMIT_CYCLES).r0

    def cycles(self, name: str, *arguments: int) -> int:
        return self.core.call(self.program.address(name), list(arguments), DISCO.sram.end, LIMIT_CYCLES).cycles

    @property
    def memory(self) -> bytes:
        return bytes(self.core.uc.mem_read(MEMORY, BYTES))

    @memory.setter
    def memory(self, content: bytes) -> None:
        self.core.uc.mem_write(MEMORY, bytes(content))


@pytest.fixture(scope="module", params=toolchains())
def functions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Functions:
    folder = tmp_path_factory.mktemp("memory")
    tools = find_tools(BOARD, request.param)
    write_board(DISCO, folder / "board")
    options = ["-G", "Ninja", *tools.options, f"-DCMAKE_TOOLCHAIN_FILE={platforms() / 'cortex-m4.cmake'}"]
    options += [f"-DHIL_BOARD={BOARD}", f"-DHIL_BOARD_DIR={folder / 'board'}"]
    for command in (["-S", str(PROJECT), "-B", str(folder), *options], ["--build", str(folder)]):
        run_cmake([str(tools.cmake), *command], folder, tools.environment(folder), BOARD, {})
    return Functions(load_program(folder / "firmware.elf", DISCO))


def drawn(dice: random.Random) -> tuple[bytearray, int, int, int]:
    """Memory, two places in it that do not overlap, and a number of bytes, small ones more often."""
    count = dice.choice((dice.randrange(40), dice.randrange(GREATEST)))
    return bytearray(dice.randbytes(BYTES)), dice.randrange(100, 2000), dice.randrange(4000, 6000), count


@pytest.mark.parametrize("name", ["memcpy", "__aeabi_memcpy", "memmove"])
def test_copies(functions: Functions, name: str) -> None:
    dice = random.Random(1)
    for _ in range(ROUNDS):
        memory, to, source, count = drawn(dice)
        if dice.random() < 0.5:
            to, source = source, to
        functions.memory = memory
        memory[to : to + count] = memory[source : source + count]
        assert functions.call(name, MEMORY + to, MEMORY + source, count) == MEMORY + to
        assert functions.memory == memory, (to, source, count)


@pytest.mark.parametrize("name", ["memmove", "__aeabi_memmove4"])
def test_moves_between_places_that_overlap(functions: Functions, name: str) -> None:
    dice = random.Random(2)
    for _ in range(ROUNDS):
        memory, to, _, count = drawn(dice)
        source = to + dice.randrange(-min(count, 90) - 3, min(count, 90) + 4)
        functions.memory = memory
        memory[to : to + count] = memory[source : source + count]
        assert functions.call(name, MEMORY + to, MEMORY + source, count) == MEMORY + to
        assert functions.memory == memory, (to, source, count)


def test_sets(functions: Functions) -> None:
    dice = random.Random(3)
    for _ in range(ROUNDS):
        memory, to, _, count = drawn(dice)
        value = dice.randrange(-1000, 1000)
        functions.memory = memory
        memory[to : to + count] = bytes([value & 0xFF]) * count
        assert functions.call("memset", MEMORY + to, value, count) == MEMORY + to
        assert functions.memory == memory, (to, value, count)


def test_sets_and_clears_as_the_abi_has_it(functions: Functions) -> None:
    functions.memory = bytes(BYTES)
    functions.call("__aeabi_memset8", MEMORY + 8, 24, 0x1A5)
    assert functions.memory[:40] == bytes(8) + b"\xa5" * 24 + bytes(8)
    functions.call("__aeabi_memclr", MEMORY + 9, 3)
    assert functions.memory[:13] == bytes(8) + b"\xa5\0\0\0\xa5"


def test_compares(functions: Functions) -> None:
    dice = random.Random(4)
    for _ in range(ROUNDS):
        memory, left, right, count = drawn(dice)
        memory[left : left + count] = memory[right : right + count]
        if count and dice.random() < 0.7:
            memory[left + dice.randrange(count)] ^= dice.randrange(1, 256)
        functions.memory = memory
        a, b = memory[left : left + count], memory[right : right + count]
        found = functions.call("memcmp", MEMORY + left, MEMORY + right, count)
        assert (found != 0) - 2 * (found >> 31) == (a > b) - (a < b), (left, right, count)


@pytest.mark.parametrize(("count", "most"), [(32, 46), (64, 68), (128, 118), (320, 268), (1000, 802), (5120, 4018)])
def test_copies_words_as_fast_as_newlib_nano(functions: Functions, count: int, most: int) -> None:
    """most: cycles of the memcpy in Debian 12's newlib-nano for the same call, as the model's fast mode counts them."""
    calls = [functions.cycles("memcpy", MEMORY, MEMORY + BYTES, count) for _ in range(2)]
    assert calls[-1] <= most  # the second finds its code in the flash caches
