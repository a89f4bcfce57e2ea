"""`hil new-board` makes a folder that can be planned for at once, and says what it cannot know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli import hil

from hil import board as boards
from hil.board.chips import chip, chips
from hil.board.scaffold import SCHEMA, Wishes, new_board
from hil.errors import HilError

PARTS = ["STM32F401RC", "STM32F401CE", "STM32F405RG", "STM32F410C8", "STM32F411CE", "STM32F412RE", "STM32F413RH",
         "STM32F429VG", "STM32F446ZE", "STM32F469AI"]  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_every_line_gets_a_board_at_its_first_uart(part: str, tmp_path: Path) -> None:
    board, unknown = new_board(tmp_path / "mine", Wishes(part, "usart1", crystal_hz=8_000_000))
    assert boards.load(str(tmp_path / "mine")) == board and board.chip == part
    assert any("schematic" in line for line in unknown)
    assert json.loads((tmp_path / "mine" / SCHEMA).read_text())["title"].startswith("board.toml")


def test_there_is_a_part_of_every_known_chip() -> None:
    assert len({chip(part).idcode for part in PARTS}) == len(chips())


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (Wishes("STM32F103C8", "usart1"), "no such STM32F4 is known"),
        (Wishes("STM32F411CE", "usart3"), "the STM32F411CE has usart1, usart2, usart6"),
        (Wishes("STM32F411CE", "usart1", tx_pin="PC0"), "USART1's TX is on PA9 or PB6 or PA15"),
        (Wishes("STM32F411CE", "usart1", clock_hz=168_000_000), "the chip runs at 100,000,000 Hz at most"),
    ],
)
def test_what_cannot_be_leaves_nothing(wishes: Wishes, said: str, tmp_path: Path) -> None:
    with pytest.raises(HilError, match=said):
        new_board(tmp_path / "mine", wishes)
    assert not (tmp_path / "mine" / "board.toml").exists()


def test_the_command_names_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = hil(
        capsys, monkeypatch, "new-board", "mine", "--chip", "stm32f405rg", "--uart", "usart3", "--crystal", "12000000"
    )
    assert done.code == 0 and "next: hil plan MODEL --board mine" in done.out
    again = hil(capsys, monkeypatch, "new-board", "mine", "--chip", "stm32f405rg", "--uart", "usart3")
    assert again.code == 2 and "is there already" in again.err
