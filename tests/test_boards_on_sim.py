"""Boards of one's own and the shipped ones: the stub network's firmware boots and answers on the simulated one."""

from __future__ import annotations

from pathlib import Path

import pytest
import stub_firmware
from stub_firmware import expected_boxes, random_image
from test_board_description import MINE

from hil import board as boards
from hil.link import Client
from hil.targets.sim.target import SimTarget

USART1 = 'peripheral = "usart1"\ntx_pin = "PB6"\nrx_pin = "PA10"'
USART6 = 'peripheral = "usart6"\ntx_pin = "PA11"\nrx_pin = "PC7"'
BOARDS = {
    "another crystal, no CCM, USART6": MINE,
    "no crystal": MINE.replace("hse_hz = 25_000_000\n", ""),
    "a clock at OSC_IN": MINE.replace("hse_hz", "hse_is_clock = true\nhse_hz"),
    "no DMA, pins of two ports": MINE.replace(USART6, f"{USART1}\nbaud = 115_200\ndma = false"),
    "over-drive": MINE.replace("F401RE", "F446RE").replace("84_000_000", "180_000_000").replace(USART6, USART1),
    "a slow core": MINE.replace("84_000_000", "25_000_000").replace(USART6, f"{USART6}\nbaud = 115_200"),
    "revision A of the F407": MINE.replace("F401RE", "F407VG")
    .replace("84_000_000", "168_000_000")
    .replace("hse_hz", "device_id = 0x411\nhse_hz")
    .replace(USART6, USART1),
}
ACR, PREFETCH = 0, 1 << 8  # of the flash interface


def run(board: boards.Board, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SimTarget:
    """The board with the stub firmware on it, after an inference that found what it must."""
    monkeypatch.setenv("HIL_BOARDS", str(board.folder.parent))
    elf = stub_firmware.build(board.name, folder / "build")
    sim = SimTarget(board)
    sim.boot(elf)
    client, image = Client(sim), random_image(1)
    assert client.hello().board == board.name
    assert client.infer(image).detections == expected_boxes(image)
    assert client.statistics.retries == 0
    return sim


@pytest.mark.parametrize("text", BOARDS.values(), ids=list(BOARDS))
def test_a_board_of_ones_own_runs_the_firmware(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.toml").write_text(text)
    board = boards.load(str(tmp_path / "mine"))
    with run(board, tmp_path, monkeypatch) as sim:
        has_prefetch = bool(sim.sim.chip.flash.read(ACR) & PREFETCH)
        assert has_prefetch == (board.device_id != 0x411)


@pytest.mark.parametrize("name", [n for n in boards.names() if n not in ("stm32f407_disco", "stm32f429_disco")])
def test_every_shipped_board_runs_the_firmware(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run(boards.load(name), tmp_path, monkeypatch):
        pass
