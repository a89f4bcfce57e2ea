"""Bad input, one by one: exit code 2, one clear error, no traceback, nothing half-written."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import Outcome, files_under, hil
from compilers import nothing_installed
from PIL import Image

from hil import zoo
from hil.bench import batch
from hil.compiler.reading.calibrate import calibrate
from hil.reference import networks, weights

M4 = "rnnpool_face_m4"
Hil = Callable[..., Outcome]


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path: Path) -> Hil:
    """Run `hil` in an empty folder's presence and require a clean refusal."""
    out = tmp_path / "out"
    out.mkdir()

    def run(*arguments: str | Path) -> Outcome:
        outcome = hil(capsys, monkeypatch, *arguments)
        assert outcome.code == 2, outcome
        assert "Traceback" not in outcome.err
        assert outcome.err.count("error:") == 1, outcome.err
        assert files_under(out) == set(), "something was left behind"
        return outcome

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((240, 320), 90, np.uint8)).save(path)
    return path


def saved(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """A copy of M4's checkpoint with its tensors changed behind the library's back."""
    from safetensors.torch import load_file, save_file

    source = zoo.find(M4)
    tensors = load_file(source)
    change(tensors)
    save_file(tensors, path, weights.metadata(source))
    return path


def test_an_unknown_model_lists_the_shipped_ones(refused: Hil, photo: Path) -> None:
    assert M4 in refused("run", "rnnpool_face_m5", photo).err
    assert M4 in refused("build", "rnnpool_face_m5").err
    assert M4 in refused("plan", "rnnpool_face_m5").err


def test_an_unknown_board_lists_the_known_ones(refused: Hil, photo: Path) -> None:
    for arguments in (("run", M4, photo), ("build", M4), ("plan", M4), ("demo",)):
        assert "stm32f407_disco, stm32f411_disco" in refused(*arguments, "--board", "stm32h7").err


def test_an_unknown_target_lists_the_known_ones(refused: Hil, photo: Path) -> None:
    assert "sim, native" in refused("run", M4, photo, "--target", "qemu").err


def test_unknown_kernels_list_the_known_ones(refused: Hil, photo: Path) -> None:
    assert (
        "no kernels are called 'asm': choose one of fast, portable" in refused("run", M4, photo, "--kernels", "asm").err
    )


def test_a_wrong_size_and_a_wrong_mode_name_the_way_out(refused: Hil, tmp_path: Path) -> None:
    small, colour = tmp_path / "small.png", tmp_path / "colour.png"
    Image.new("L", (64, 48)).save(small)
    Image.new("RGB", (320, 240)).save(colour)
    assert "is 64x48, rnnpool_face_m4 takes 320x240: resize it or pass --fit" in refused("run", M4, small).err
    assert "has mode RGB, rnnpool_face_m4 takes L" in refused("run", M4, colour).err


def test_a_missing_a_truncated_and_a_non_image_file_are_refused(refused: Hil, tmp_path: Path, photo: Path) -> None:
    text, cut = tmp_path / "a.txt", tmp_path / "cut.png"
    text.write_text("not an image")
    cut.write_bytes(photo.read_bytes()[:100])
    json_path = tmp_path / "out" / "run.json"
    assert "does not exist" in refused("run", M4, tmp_path / "none.png", "--json", json_path).err
    assert "is a text, not an image" in refused("run", M4, text, "--json", json_path).err
    assert "damaged" in refused("run", M4, photo, cut, "--json", json_path).err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("loc.0.bias"), "missing: loc.0.bias"),
        (lambda t: t.update(stranger=torch.zeros(1)), "not known: stranger"),
        (lambda t: t["loc.0.bias"].fill_(math.nan), "NaN or infinity: loc.0.bias"),
    ],
    ids=["missing tensor", "extra tensor", "NaN"],
)
def test_a_bad_checkpoint_names_its_tensors(refused: Hil, tmp_path: Path, change, message: str) -> None:
    path = saved(tmp_path / "mine.safetensors", change)
    assert message in refused("build", path, "--out", tmp_path / "out" / "generated").err


def test_a_truncated_checkpoint_is_refused(refused: Hil, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(zoo.find(M4).read_bytes()[:1000])
    assert "is not a safetensors file" in refused("build", path).err


def test_a_checkpoint_without_ranges_names_the_command_that_finds_them(refused: Hil, tmp_path: Path) -> None:
    path = tmp_path / "raw.safetensors"
    weights.save(weights.load(zoo.find(M4)), path)
    assert f"hil quantise {path} --images DIR" in refused("build", path).err


def test_a_network_that_does_not_fit_says_by_how_many_bytes_and_in_which_buffer(refused: Hil, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = networks.build("rnnpool_face_c").eval()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    path = tmp_path / "c.safetensors"
    weights.save(network, path, {"ranges": json.dumps(calibrate(network, [image]))})
    error = refused("build", path, "--out", tmp_path / "out" / "generated").err
    assert re.search(r"does not fit stm32f407_disco: buffer \w+ of \d+ bytes lacks \d+ bytes", error), error
    assert re.search(r"the schedule that needs least of it \d+ bytes in all", error), error


def test_an_elf_of_another_chip_is_refused(refused: Hil, tmp_path: Path, photo: Path) -> None:
    assert "is for another chip" in refused("run", M4, photo, "--elf", Path("/bin/true").resolve()).err
    (tmp_path / "no.elf").write_text("no ELF")
    assert "is not an ELF file" in refused("run", M4, photo, "--elf", tmp_path / "no.elf").err


def test_an_elf_of_the_other_board_is_refused(refused: Hil, photo: Path) -> None:
    elf = batch.firmware_for(batch.Job(M4, (), board="stm32f429_disco")).elf
    assert "is built for stm32f429_disco" in refused("run", M4, photo, "--elf", elf).err


@pytest.mark.parametrize("target", ["sim", "native"])
def test_a_firmware_of_another_build_id_is_refused(refused: Hil, tmp_path: Path, photo: Path, target: str) -> None:
    other = saved(tmp_path / "other.safetensors", lambda t: t["loc.0.bias"].add_(1))
    elf = batch.firmware_for(batch.Job(str(other), (), target, out=tmp_path / "other")).elf
    error = refused("run", M4, photo, "--target", target, "--elf", elf).err
    assert "expected" in error and "build and flash it again" in error


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [
        ((), "arm-none-eabi-gcc or another compiler: pip install 'rnnpool-hil[toolchain]'"),
        (("--native",), "a C compiler (cc): pip install ziglang"),
    ],
)
def test_a_missing_compiler_names_the_command(refused: Hil, monkeypatch, tmp_path: Path, arguments, lacking) -> None:
    nothing_installed(monkeypatch)
    error = refused("build", M4, *arguments, "--out", tmp_path / "out" / "generated").err
    assert f"needs {lacking}" in error


def test_a_build_that_fails_leaves_the_old_firmware(refused: Hil, monkeypatch, tmp_path: Path) -> None:
    generated = tmp_path / "generated"
    batch.firmware_for(batch.Job(M4, (), "native", out=generated))
    before = {name: (generated / name).stat().st_mtime_ns for name in files_under(generated)}
    other = saved(tmp_path / "other.safetensors", lambda t: t["loc.0.bias"].add_(1))
    nothing_installed(monkeypatch)
    refused("build", other, "--native", "--out", generated)
    assert {name: (generated / name).stat().st_mtime_ns for name in files_under(generated)} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_hil_did_not_make_is_left_alone(refused: Hil, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    assert "hil build did not make" in refused("build", M4, "--native", "--out", mine).err
    assert files_under(mine) == {"thesis.txt"}


def test_places_that_cannot_be_written_are_named(refused: Hil, tmp_path: Path, photo: Path) -> None:
    file = tmp_path / "a file"
    file.write_text("no folder")
    outcome = refused("run", M4, photo, "-t", "native", "--json", file / "run.json")
    assert f"cannot write {file / 'run.json'}: Not a directory" in outcome.err
    assert f"cannot write {tmp_path}" in refused("run", M4, photo, "-t", "native", "--report", tmp_path).err
    assert "Not a directory" in refused("build", M4, "--native", "--out", file / "deeper" / "generated").err
    assert file.read_text() == "no folder"


def test_a_name_of_two_lines_is_shown_in_one(refused: Hil) -> None:
    assert r"no\n::warning::such" in refused("plan", "no\n::warning::such").err


def test_wrong_limits_are_refused(refused: Hil, tmp_path: Path, photo: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text('[default]\n"cycles.totl" = 5\n')
    assert "no measurement is called 'cycles.totl'" in refused("run", M4, photo, "-t", "native", "--limits", path).err


def test_quantise_refuses_an_empty_folder_and_another_format(refused: Hil, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    mine = tmp_path / "out" / "new.safetensors"
    assert "holds no photos" in refused("quantise", M4, "--images", empty, "--out", mine).err
    assert "must end in .safetensors" in refused("quantise", M4, "--images", empty, "--out", "new.pt").err


def test_a_training_without_data_is_refused(refused: Hil, tmp_path: Path) -> None:
    refused("train", M4, "--data", tmp_path / "none", "--out", tmp_path / "out" / "training")


def test_an_evaluation_without_data_or_of_nothing_known_is_refused(refused: Hil, tmp_path: Path) -> None:
    assert "no ground truth at" in refused("evaluate", M4, "--data", tmp_path).err
    assert "float, integer, sim, native" in refused("evaluate", M4, "--data", tmp_path, "--target", "qemu").err


@pytest.mark.parametrize("arguments", [("run", M4), ("fly",), ("run", M4, "a.png", "--frobnicate"), ("train", M4)])
def test_wrong_arguments_are_explained_by_usage(capsys, monkeypatch, arguments: tuple[str, ...]) -> None:
    outcome = hil(capsys, monkeypatch, *arguments)
    assert outcome.code == 2 and "Usage: hil" in outcome.err and "Traceback" not in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="no folder is deleted there while it is somebody's")
@pytest.mark.parametrize("command", ["boards", "plan rnnpool_face_m4", "compare a b"])
def test_a_folder_that_is_gone_is_said(tmp_path: Path, command: str) -> None:
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m hil {command}"
    known = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, env=known)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.strip() == "error: the folder that this was started in is gone: cd to one that is there"
