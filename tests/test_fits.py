"""Which network fits which board: what is said to be missing is what would make it fit, to the byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
from networks import TINY, detector, quantised

from hil import board as boards
from hil.compiler.planning import draft
from hil.compiler.planning.choose import drafts, placed
from hil.errors import HilError
from hil.firmware.model import load_model
from hil.measure.boards import fits, row

M4 = "rnnpool_face_m4"


def test_the_missing_bytes_are_what_it_takes() -> None:
    names = ["stm32f401_disco", "stm32f411_disco", "stm32f407_disco"]
    (found,) = fits([M4], names, None, lambda what, done: None)
    small, one_bank, with_ccm = found
    assert small.missing_bytes and not one_bank.missing_bytes and not with_ccm.missing_bytes
    schedules, board = drafts(load_model(M4)[0]), small.board
    bank = board.memory["sram1"]

    def fit(more: int) -> bool:
        roomier = replace(board, memory=board.memory | {"sram1": replace(bank, bytes=bank.bytes + more)})
        try:
            return bool(placed(schedules, roomier))
        except HilError:
            return False

    assert fit(small.missing_bytes) and not fit(small.missing_bytes - 8)
    assert f"lacks {small.missing_bytes:,} B of RAM" in row(found)
    assert one_bank.ram_bytes <= one_bank.board.sram.bytes


def test_what_does_not_depend_on_a_board_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schedules = drafts(quantised(detector(TINY)))
    first = placed(schedules, boards.load("stm32f407_disco"))
    monkeypatch.setattr(draft, "pack", lambda *_: pytest.fail("packed again"))
    again = placed(schedules, boards.load("stm32f411_disco"))
    assert [sum(plan.cycles.values()) for plan in again] == [sum(plan.cycles.values()) for plan in first]
