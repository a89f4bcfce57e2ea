"""How much of the line's rate an image gets over a pseudo-terminal, by the board's own clock.

    pytest tests/test_serial_rate.py -s        # prints the rates

The board's clock stands still while other programs keep this computer busy, but the host's process can be kept waiting
all the same; so it is the best stretch that counts, over more stretches where the first ones are too slow.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import stub_firmware
from served import serve

from hil import board, targets
from hil.link import Client
from hil.link.frames import Decoder, Frame
from hil.link.messages import TILE_HEADER_BYTES, Type
from hil.targets.connection import Connection
from hil.targets.recording import Recording

NAME = "stm32f407_disco"
ROWS = 600  # of 120 bytes: 0.8 s of the line
STRETCH = 24_000  # bytes, a quarter of a second of the line
ATTEMPTS = 8

pytestmark = pytest.mark.xdist_group("serial")


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub firmware with a taller image."""
    folder = tmp_path_factory.mktemp("tall")
    shutil.copytree(stub_firmware.STUB_MODEL, folder / "model")
    config = folder / "model" / "model_config.h"
    config.write_text(config.read_text().replace("MODEL_HEIGHT 30", f"MODEL_HEIGHT {ROWS}"))
    return stub_firmware.build(NAME, folder / "build", f"-DHIL_MODEL_DIR={folder / 'model'}")


def tiles(recording: Recording) -> list[tuple[float, int]]:
    """When each tile was on its way to the board, in the board's seconds, and how much of the image it held."""
    decoder, found = Decoder(), []
    for event in recording.events:
        for item in decoder.feed(event.data) if event.kind == ">" else ():
            if isinstance(item, Frame) and item.type == Type.TILE:
                found.append((event.seconds, len(item.payload) - TILE_HEADER_BYTES))
    return found


def best_rate(sent: list[tuple[float, int]], on_the_way: int) -> float:
    """Bytes a second that arrived in the best stretch, at least: what can be on the way at its end is not counted."""
    best, first, size = 0.0, 0, 0
    for last, (seconds, _) in enumerate(sent):
        while size >= STRETCH:
            if seconds > sent[first][0]:
                best = max(best, (size - on_the_way) / (seconds - sent[first][0]))
            size -= sent[first][1]
            first += 1
        size += sent[last][1]
    return best


def test_an_image_gets_80_percent_of_the_line(elf: Path, tmp_path: Path) -> None:
    line_rate = board.load(NAME).uart.baud / 10  # start bit, eight bits, stop bit
    written = tmp_path / "session.txt"
    image = np.random.default_rng(0).integers(0, 256, (ROWS, 40, 3), dtype=np.uint8)
    with (
        serve(elf, tmp_path / "board", "--record", written) as served,
        targets.create("serial", board.load(NAME), connection=Connection.parse(str(served.port))) as target,
    ):
        target.boot(elf)
        client = Client(target)
        on_the_way = client.hello().receive_bytes
        share = 0.0
        for _ in range(ATTEMPTS):
            client.infer(image)
            share = best_rate(tiles(Recording.load(written)), on_the_way) / line_rate
            print(f"{100 * share:.0f} % of {line_rate:.0f} bytes/s")
            if share >= 0.8:
                break
    assert 0.8 <= share < 1
