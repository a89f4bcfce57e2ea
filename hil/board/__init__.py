"""A board: the chip, its memories, its clock and its UART. One file describes it, board.toml; the rest follows from it.

schema.py     the schemas of board.toml and of a chip's file; errors name the line
chips.py      the lines of STM32F4 (platforms/chips)              family.py   what all of them share: UARTs, DMA streams
clock.py      PLL, prescalers and wait states for a clock         describe.py a description made a Board, checked
find.py       finds boards: shipped, a folder, HIL_BOARDS, installed packages
scaffold.py   a new board's folder, for `hil new-board`
generate.py   board.h, memory.ld, CMake presets, Renode's .repl and .resc
"""

from hil.board.describe import Board, DmaStream, Memory, Probe, Sdram, Uart
from hil.board.find import load, names

__all__ = ["Board", "DmaStream", "Memory", "Probe", "Sdram", "Uart", "load", "names"]
