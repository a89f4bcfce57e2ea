"""Nothing runs in the place of the firmware that was asked for: what it is made of is known, and its ELF's own hash."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from networks import TINY, detector, images, quantised
from stub_firmware import need

from hil import board, targets
from hil.bench.session import Bench
from hil.errors import HilError
from hil.firmware import programs, stamp
from hil.firmware.build import NATIVE, Firmware, build_graph
from hil.firmware.toolchain import STAMP as COMPILER
from hil.reference.photo import from_array
from hil.targets.native import NativeTarget

F407 = board.load("stm32f407_disco")
NETWORK = detector(TINY)
GRAPH = quantised(NETWORK)


def make(directory: Path, graph=GRAPH) -> Firmware:
    return build_graph(graph, NETWORK, F407, directory, NATIVE)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    need("cmake", "cc")
    return make(tmp_path_factory.mktemp("tiny") / "generated")


@pytest.fixture
def firmware(original: Firmware, tmp_path: Path) -> Firmware:
    """A copy to be spoilt."""
    shutil.copytree(original.directory, tmp_path / "generated")
    return make(tmp_path / "generated")


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr("hil.firmware.build.compile_preset", fail)


def test_what_is_unchanged_is_not_built_again(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    no_compiler(monkeypatch)
    assert make(firmware.directory).elf_hash == firmware.elf_hash


def test_a_weight_changed_by_hand_is_built_and_fails_the_run_in_its_layer(firmware: Firmware) -> None:
    first = GRAPH.layers[0]
    weights = firmware.directory / "model" / "weights.c"
    values = weights.read_text().partition(f"{first.name}_weight[")[2].partition("{\n")[2].partition(",")[0]
    text = weights.read_text()
    place = text.index("{\n", text.index(f"{first.name}_weight[")) + 2
    weights.write_text(text[:place] + text[place:].replace(values, f"    {int(values) ^ 64}", 1))
    before, again = firmware.elf_hash, make(firmware.directory)
    assert again.changed == ("model/weights.c",) and again.elf_hash != before
    assert weights.read_text() != text
    with Bench(again, targets.create(NATIVE, F407), {}) as bench:
        run = bench.run(from_array(images(NETWORK, 1, seed=5)[0]))
    assert not run.passed and run.divergence is not None and run.divergence.layer == first.name
    assert run.changed == ("model/weights.c",)


def test_a_firmware_source_changed_by_hand_is_built(firmware: Firmware) -> None:
    edited(firmware.directory / "firmware_src/kernels/detect.c", "0.5f", "0.25f")
    before, again = firmware.elf_hash, make(firmware.directory)
    assert again.changed == ("firmware_src/kernels/detect.c",) and again.elf_hash != before


@pytest.mark.parametrize("name", ["model/plan.json", "model/graph.npz"])
def test_what_only_the_host_reads_is_made_again_and_that_is_said(
    firmware: Firmware, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = firmware.directory / name
    sound = path.read_bytes()
    path.write_bytes(b"{}")
    make(firmware.directory)
    assert path.read_bytes() == sound and f"{name} is made again" in caplog.text


def test_changes_by_hand_are_not_lost_to_another_network(firmware: Firmware) -> None:
    path = firmware.directory / "model/model.c"
    path.write_text(path.read_text() + "// mine\n")
    (firmware.directory / "firmware_src/app/mine.c").write_text("int mine;\n")
    with pytest.raises(HilError, match=r"changes by hand \(firmware_src/app/mine.c, model/model.c\)"):
        make(firmware.directory, dataclasses.replace(GRAPH, model="another"))
    assert path.read_text().endswith("// mine\n")


@pytest.mark.parametrize("spoil", ["elf", "stamp", "usage", "compiler"])
def test_an_elf_that_is_not_the_stamps_is_made_again(
    firmware: Firmware, spoil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled anew, as where nothing is kept of it, it is the same to the byte."""
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    before, output = firmware.elf_hash, firmware.shown_elf.parent
    stamp_text = (output / stamp.STAMP).read_text()
    usage = next(path for path in (output / "stack_usage").iterdir() if path.read_text())  # of a file with functions
    spoils: dict[str, Callable[[], object]] = {
        "elf": lambda: flip(firmware.shown_elf),
        "stamp": lambda: (output / stamp.STAMP).write_text("{"),
        "usage": lambda: usage.write_text(""),
        "compiler": lambda: (output / COMPILER).write_text("another 1.0\n"),
    }
    spoils[spoil]()
    assert make(firmware.directory).elf_hash == before
    assert (output / stamp.STAMP).read_text() == stamp_text and usage.read_text()
    assert (output / COMPILER).read_text() == f"{json.loads(stamp_text)['compiler']}\n"


def test_other_flags_make_another_firmware(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-DNOTHING")
    no_compiler(monkeypatch)
    with pytest.raises(AssertionError, match="compiled again"):
        make(firmware.directory)


@pytest.mark.parametrize(
    "name", ["CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "CMAKE_C_COMPILER_LAUNCHER", "GCC_EXEC_PREFIX"]
)
def test_what_no_stamp_knows_does_not_reach_a_build(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("CPPFLAGS", "-DMINE")
    assert name not in programs.environment() and programs.environment()["CPPFLAGS"] == "-DMINE"
    assert programs.flags()["CPPFLAGS"] == "-DMINE"


def test_a_list_that_is_gone_hides_no_change(firmware: Firmware) -> None:
    (firmware.directory / stamp.LIST).unlink()
    assert make(firmware.directory).changed == ()
    (firmware.directory / stamp.LIST).unlink()
    edited(firmware.directory / "model/weights.c", "{", "{ ")
    with pytest.raises(HilError, match=r"changes by hand \(model/weights.c\)"):
        make(firmware.directory)


def flip(elf: Path) -> None:
    """One bit of a constant."""
    content = bytearray(elf.read_bytes())
    with stamp.elf_file(elf) as file:
        section = file.get_section_by_name(".rodata")
        place = section["sh_offset"] + section["sh_size"] - 1
    content[place] ^= 1
    elf.write_bytes(content)


def test_an_elf_changed_after_it_was_linked_is_refused(firmware: Firmware) -> None:
    flip(firmware.elf)
    with pytest.raises(HilError, match="was changed after it was linked"):
        Bench(dataclasses.replace(firmware), targets.create(NATIVE, F407)).boot()


def test_another_elf_of_the_same_sources_is_refused_by_its_hash(firmware: Firmware, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copy(firmware.elf, other)
    flip(other)
    stamp.write_hash(other)
    stranger = dataclasses.replace(firmware, elf=other)

    class Flashed(NativeTarget):
        """Runs what it was given first, as a board that is not to be flashed."""

        def boot(self, elf: Path) -> None:
            super().boot(other)

    expected = f"has ELF hash {stranger.elf_hash}, expected {firmware.elf_hash}"
    with Flashed(F407) as target, pytest.raises(HilError, match=expected):
        Bench(firmware, target).boot()


def test_an_elf_without_a_hash_is_refused(firmware: Firmware) -> None:
    content = firmware.elf.read_bytes()
    firmware.elf.write_bytes(content.replace(firmware.elf_hash.encode(), bytes(32)))
    with pytest.raises(HilError, match="carries no hash of itself"):
        _ = dataclasses.replace(firmware).elf_hash


def test_the_stamp_names_all_that_went_in(firmware: Firmware) -> None:
    said = json.loads((firmware.elf.parent / stamp.STAMP).read_text())
    assert {"model/weights.c", "model/model_config.h", "firmware_src/app/link.c", "CMakeLists.txt"} <= said[
        "sources"
    ].keys()
    assert (said["preset"], said["kernels"], said["elf_hash"]) == (NATIVE, "fast", firmware.elf_hash)
    assert said["compiler"]
