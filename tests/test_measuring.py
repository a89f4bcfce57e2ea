"""`hil models --measure`: the rows of docs/models.md, and that the document has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli import hil
from stub_firmware import REPOSITORY
from test_compiler_c import needs_gcc

from hil import zoo
from hil.compiler.emit import weights_bytes
from hil.firmware.model import load_model
from hil.measure.networks import HEADER
from hil.reference.catalogue import SPECS
from hil.reference.costs import costs
from hil.reference.paper import entries

MEASURED = [name for name in SPECS if not name.startswith("imagenet10")]  # ImageNet's no board holds


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def documented() -> dict[str, list[str]]:
    """The rows of the document's table, by network."""
    text = (REPOSITORY / "docs" / "models.md").read_text()
    assert HEADER in text, "the table has the command's columns"
    rows = text.partition(HEADER + "\n")[2].partition("\n\n")[0].splitlines()
    return {cells(row)[0]: cells(row) for row in rows}


@pytest.mark.parametrize("name", MEASURED)
def test_the_document_has_every_network_with_its_own_figures_and_the_papers(name: str) -> None:
    row, cost, (channels, height, width) = documented()[name], costs(SPECS[name]), SPECS[name].input_shape
    printed = next(entry.printed for entry in entries() if entry.title == name)
    assert row[1:4] == [
        f"{width}x{height}x{channels}",
        f"{cost.parameters:,}" + (f" ({printed.parameters})" if printed.parameters else ""),
        f"{cost.macs / 1e6:,.1f} M" + (f" ({printed.operations})" if printed.operations else ""),
    ]
    assert printed.ram is None or row[5].endswith(f"({printed.ram})")
    assert row[9] == "0", "bit-exact"
    assert "not trained" not in row[4]


def test_every_face_detector_is_shipped_with_weights() -> None:
    faces = {name for name in SPECS if name.startswith("rnnpool_face")}
    assert len(faces) >= 7 and faces <= set(zoo.names())


@needs_gcc
def test_a_row_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = hil(capsys, monkeypatch, "models", "--measure", "rnnpool_face_m4")
    assert outcome.code == 0 and outcome.out.startswith(HEADER)
    row, known = cells(outcome.out.splitlines()[2]), documented()["rnnpool_face_m4"]
    assert row[:4] == known[:4] and row[8:] == ["stm32f407_disco", "0"] and row[4] == "trained, not evaluated"
    for measured, written in zip(row[5:8], known[5:8], strict=True):
        ours, theirs = (int(re.sub(r"\D", "", re.split(r"[ (]", cell)[0])) for cell in (measured, written))
        assert ours == pytest.approx(theirs, rel=0.02), "the document is out of date: run the command again"


def test_a_network_that_no_flash_holds_has_a_row_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.measure.networks.CODE_BYTES", 2 << 20)
    outcome = hil(capsys, monkeypatch, "models", "--measure", "rnnpool_face_m4")
    row = cells(outcome.out.splitlines()[2])
    assert outcome.code == 0 and row[:4] == documented()["rnnpool_face_m4"][:4]
    lacking = weights_bytes(load_model("rnnpool_face_m4")[0])
    assert row[6:] == [f"stm32f429_disco lacks {lacking:,}", "-", "none", "-"]


def test_networks_that_there_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "models", "--measure", "rnnpool_face_d")
    assert outcome.code == 2 and "unknown network 'rnnpool_face_d'" in outcome.err
