"""`hil profile` on the shipped network: the same cycles by layer, function, line and stack, and nothing lost."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cli import hil
from compilers import needs

from hil.bench.batch import demo_photo

pytestmark = needs("stm32f407_disco")


def test_a_profile_accounts_for_every_cycle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = demo_photo(tmp_path / "photo.png", "rnnpool_face_m4")
    outcome = hil(capsys, monkeypatch, "profile", "rnnpool_face_m4", photo, "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads((tmp_path / "profile.json").read_text())
    assert found["mode"] == "fast" and found["cycles"] <= found["elapsed_cycles"]
    for table in ("layers", "functions", "lines"):
        assert sum(found[table].values()) == found["cycles"], table
    stacks = (tmp_path / "stacks.txt").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in stacks) == found["cycles"]
    measured = found["measured"]
    for layer, cycles in measured.items():  # the firmware's own count has chain_step's copies and CYCCNT's reads on top
        if layer not in ("total", "decode"):
            assert cycles * 0.85 - 5000 <= found["layers"][layer] <= cycles, layer
    assert sum(found["layers"][layer] for layer in measured if layer != "total") > 0.98 * measured["total"]
    by_layer = sum(cycles for layer, cycles in measured.items() if layer != "total")
    assert 0.995 * measured["total"] <= by_layer <= measured["total"]
    network = found["cycles"] - found["layers"]["link"]
    assert abs(network - found["measured"]["total"]) <= 0.005 * network
    hot = (tmp_path / "hot.txt").read_text()
    assert hot.startswith("1. ") and hot.count("  lost: ") == 12 and "overlaps with the next access" in hot
    ET.parse(tmp_path / "flamegraph.svg")


@pytest.mark.xdist_group("renode")
@pytest.mark.usefixtures("renode_here")
def test_on_renode_calls_and_instructions_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = demo_photo(tmp_path / "photo.png", "rnnpool_face_m4")
    outcome = hil(capsys, monkeypatch, "profile", "rnnpool_face_m4", photo, "--target", "renode", "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads((tmp_path / "profile.json").read_text())
    functions = found["functions"]
    assert found["instructions"] == sum(count["instructions"] for count in functions.values())
    assert functions["model_begin"]["calls"] == 1 and functions["model_push_row"]["calls"] == 240
    assert "calls" in outcome.out and "instructions" in outcome.out


def test_a_target_that_cannot_be_profiled_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "profile", "rnnpool_face_m4", tmp_path / "x.png", "--target", "native")
    assert outcome.code == 2 and "target 'native' cannot be profiled: use --target sim or renode" in outcome.err


def test_a_mode_that_there_is_not_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = hil(capsys, monkeypatch, "profile", "rnnpool_face_m4", tmp_path / "x.png", "--timing", "slow")
    assert outcome.code == 2 and "choose one of fast, full" in outcome.err
