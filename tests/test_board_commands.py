"""hil serve, boards, flash and replay: what they do, and one clear error for each thing that cannot be."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli import hil
from compilers import needs
from PIL import Image
from served import HIL
from test_ports import ADAPTER, VCP_A, VCP_B, plug_in

from hil.targets.ports import Probe
from hil.targets.pseudo_terminal import PseudoTerminal

M4 = "rnnpool_face_m4"
needs_compiler = needs("native")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (240, 320), dtype=np.uint8)).save(path)
    return path


@pytest.mark.parametrize("command", ["serve", "boards", "flash", "replay"])
def test_help(capsys, monkeypatch, command: str) -> None:
    outcome = hil(capsys, monkeypatch, command, "--help")
    assert outcome.code == 0 and f"Usage: hil {command}" in outcome.out


@needs_compiler
def test_a_recorded_run_is_judged_again_without_its_target(capsys, monkeypatch, image: Path, tmp_path: Path) -> None:
    session, first, second = tmp_path / "session.txt.gz", tmp_path / "first.json", tmp_path / "second.json"
    files = ("--record", session, "--json", first)
    assert hil(capsys, monkeypatch, "run", M4, image, image, "-t", "native", *files).code == 0
    monkeypatch.setattr("hil.targets.create", lambda *_: pytest.fail("a replay needs no target"))
    monkeypatch.setattr("hil.firmware.build.compile_preset", lambda *_: pytest.fail("a replay needs no compiler"))
    outcome = hil(capsys, monkeypatch, "replay", session, "--json", second, "--report", tmp_path / "report.html")
    assert outcome.code == 0, outcome
    then, now = json.loads(first.read_text()), json.loads(second.read_text())
    assert len(now) == 2 and now == then
    assert (tmp_path / "report.html").exists()


@needs_compiler
def test_a_recording_is_judged_by_the_limits_that_the_run_was_given(capsys, monkeypatch, image, tmp_path) -> None:
    session, limits = tmp_path / "session.txt.gz", tmp_path / "limits.toml"
    limits.write_text('[default]\n"cycles.total" = { limit = 1, required = true }\n')
    files = ("--limits", limits, "--record", session, "--failures", tmp_path / "failures")
    assert hil(capsys, monkeypatch, "run", M4, image, "-t", "native", *files).code == 1
    outcome = hil(capsys, monkeypatch, "replay", session)
    assert outcome.code == 1 and "cycles.total was not measured, though it is required" in outcome.out
    limits.write_text('[default]\n"cycles.total" = { limit = 1, required = false }\n')
    assert hil(capsys, monkeypatch, "replay", session, "--limits", limits).code == 0


@needs_compiler
def test_a_recording_of_another_build_or_half_of_one_is_refused(capsys, monkeypatch, image, tmp_path) -> None:
    session = tmp_path / "session.txt"
    assert hil(capsys, monkeypatch, "run", M4, image, "-t", "native", "--record", session).code == 0
    header, *events = session.read_text().splitlines(keepends=True)
    other = json.loads(header) | {"build_id": "0" * 16}
    session.write_text(json.dumps(other) + "\n" + "".join(events))
    outcome = hil(capsys, monkeypatch, "replay", session)
    assert outcome.code == 2 and "expected 0000000000000000" in outcome.err
    session.write_text(header + "".join(events[: len(events) // 2]))
    outcome = hil(capsys, monkeypatch, "replay", session)
    assert outcome.code == 2 and ("holds no whole image" in outcome.err or "broken off" in outcome.err)


def refused(capsys, monkeypatch, *arguments: str | Path) -> str:
    outcome = hil(capsys, monkeypatch, *arguments)
    assert outcome.code == 2 and "Traceback" not in outcome.err and outcome.err.count("error:") == 1, outcome
    return outcome.err


def test_what_cannot_be_replayed(capsys, monkeypatch, tmp_path: Path) -> None:
    assert "cannot read the recording" in refused(capsys, monkeypatch, "replay", tmp_path / "nowhere")
    plain = tmp_path / "plain.txt"
    plain.write_text('{"format": "rnnpool-hil recording", "version": 1, "board": "stm32f407_disco"}\n0.0 boot\n')
    with zipfile.ZipFile(tmp_path / "failure.hil.zip", "w"):
        pass
    bundle = ("replay", tmp_path / "failure.hil.zip", "--limits", plain)
    assert "a bundle, which is judged by the limits in it" in refused(capsys, monkeypatch, *bundle)
    assert "does not say its build_id, cycles, elf_hash, model, preset" in refused(capsys, monkeypatch, "replay", plain)


def test_a_connection_that_makes_no_sense(capsys, monkeypatch, image: Path) -> None:
    run = ("run", M4, image, "-t")
    assert "--at COM3 is for --target serial" in refused(capsys, monkeypatch, *run, "sim", "--at", "COM3")
    assert "'baut': choose of port" in refused(capsys, monkeypatch, *run, "serial", "--at", "baut=5")


def test_a_board_cannot_be_served_where_a_file_is(capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    elf = ("--elf", tmp_path / "x.elf")
    message = refused(capsys, monkeypatch, "serve", *elf, "--pty", tmp_path / "taken")
    assert "taken is there already" in message
    assert "no such firmware" in refused(capsys, monkeypatch, "serve", *elf)
    assert "serve --target sim" in refused(capsys, monkeypatch, "serve", *elf, "--target", "native")
    assert "no board is called 'x'" in refused(capsys, monkeypatch, "serve", *elf, "--board", "x")


def test_a_served_board_leaves_nothing_behind(stub_board: tuple[str, Path], tmp_path: Path) -> None:
    name, elf = stub_board
    port, session = tmp_path / "port", tmp_path / "session.txt"
    command = [*HIL, "serve", "--board", name, "--elf", elf, "--pty", port, "--record", session]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and str(port) in process.stdout.readline()
    assert port.is_symlink()
    process.terminate()
    process.communicate()
    assert process.returncode == 0 and not port.is_symlink()
    assert '"clock": "virtual"' in session.read_text().splitlines()[0]


def test_boards_are_listed_with_what_tells_them_apart(capsys, monkeypatch) -> None:
    plug_in(monkeypatch, VCP_A, VCP_B, ADAPTER)
    outcome = hil(capsys, monkeypatch, "boards")
    assert outcome.code == 0
    for text in ("/dev/ttyACM0", "0483:374b", "066EAAAA", "066EBBBB", "0403:6001", "A50285BI"):
        assert text in outcome.out, text
    plug_in(monkeypatch)
    assert "no serial port" in hil(capsys, monkeypatch, "boards").out
    assert "hil serve --pty PATH" in hil(capsys, monkeypatch, "boards").out


def test_a_board_that_is_asked_and_does_not_answer(capsys, monkeypatch, tmp_path: Path) -> None:
    plug_in(monkeypatch)
    with PseudoTerminal(tmp_path / "mute"):
        outcome = hil(capsys, monkeypatch, "boards", "--ask", "--at", tmp_path / "mute")
        assert outcome.code == 1 and "no answer from the board" in outcome.err and "Traceback" not in outcome.err
    assert "there is no port" in refused(capsys, monkeypatch, "boards", "--ask", "--at", tmp_path / "mute")


def test_one_board_of_many_is_chosen_by_its_serial_number(capsys, monkeypatch) -> None:
    plug_in(monkeypatch, VCP_A, VCP_B, ADAPTER)
    outcome = hil(capsys, monkeypatch, "boards", "--at", "serial=066EBBBB")
    assert outcome.code == 0 and "066EBBBB" in outcome.out and "066EAAAA" not in outcome.out
    assert "066ECCCC" in refused(capsys, monkeypatch, "boards", "--at", "serial=066ECCCC")


def test_a_port_that_does_not_answer_does_not_hide_the_others(capsys, monkeypatch) -> None:
    plug_in(monkeypatch, VCP_A, ADAPTER)
    outcome = hil(capsys, monkeypatch, "boards", "--ask")
    assert outcome.code == 0
    assert all(f"{name}: there is no port {name}" in outcome.out for name in ("/dev/ttyACM0", "/dev/ttyUSB0"))


def test_probes_are_listed_with_the_boards_that_have_such(capsys, monkeypatch) -> None:
    old, both = Probe("0483:3748", "", "STM32 STLink"), Probe("0483:374b", "066EAAAA", "STM32 STLink")
    monkeypatch.setattr("hil.targets.ports.probes", lambda board: [p for p in (old, both) if p.usb in board.probe.usb])
    plug_in(monkeypatch)
    said = hil(capsys, monkeypatch, "boards").out
    have_old = "STM32F401C-DISCO or STM32F407G-DISC1 or STM32F411E-DISCO"
    assert f"probe 0483:3748, serial number none: STM32 STLink ({have_old})" in said
    newer = re.search(r"066EAAAA: STM32 STLink \((.*)\)", said)
    assert newer and {"STM32F407G-DISC1", "STM32F429I-DISC1"} < set(newer[1].split(" or "))


def test_flashing_that_cannot_be(capsys, monkeypatch, stub_board: tuple[str, Path], tmp_path: Path) -> None:
    monkeypatch.setattr("hil.targets.flashing.shutil.which", lambda program: f"/usr/bin/{program}")
    name, elf = stub_board
    other = "stm32f429_disco" if name == "stm32f407_disco" else "stm32f407_disco"
    flash = ("flash", "--elf", elf, "--board")
    assert "'jlink': choose one of" in refused(capsys, monkeypatch, *flash, name, "--with", "jlink")
    assert "cannot read the firmware" in refused(capsys, monkeypatch, "flash", "--elf", tmp_path / "no.elf")
    if other == "stm32f407_disco":  # the smaller board's firmware also fits the larger one
        assert "stm32f429_disco" in refused(capsys, monkeypatch, *flash, other)


def test_flashing_shows_its_command(capsys, monkeypatch, stub_board: tuple[str, Path], tmp_path: Path) -> None:
    name, elf = stub_board
    (tmp_path / "st-flash").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "st-flash").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    outcome = hil(capsys, monkeypatch, "flash", "--elf", elf, "--board", name, "--with", "st-flash", "--probe", "066E")
    assert outcome.code == 0 and outcome.out.startswith("st-flash --serial 066E --reset write ")
