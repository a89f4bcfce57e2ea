"""Files that lie: whatever stands in one is read as it is meant or named in a line; damaged results do not count."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_firmware import need

from hil import board, zoo
from hil.bench.limits import load_limits
from hil.bench.replay import replay
from hil.errors import HilError
from hil.evaluation.journal import Journal
from hil.firmware.elf import check_elf, identity, sizes
from hil.firmware.model import load_model
from hil.firmware.planned import plan_of
from hil.firmware.stamp import written_hash
from hil.reading import json_as, json_of, read_text, toml_of
from hil.targets import image
from hil.targets.flashing import flash_image
from hil.targets.recording import FORMAT, Recording
from hil.timing.cycles.program import load_program

F407 = board.load("stm32f407_disco")
M4 = "rnnpool_face_m4"
DEEP = "[" * 100_000


def complaint(act: object, *arguments: object) -> str:
    with pytest.raises(HilError) as caught:
        act(*arguments)  # type: ignore[operator]
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    return str(caught.value)


# -- checkpoints


def with_metadata(path: Path, **changes: str | None) -> Path:
    """The shipped checkpoint with other metadata."""
    content = zoo.find(M4).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = {k: v for k, v in (header["__metadata__"] | changes).items() if v is not None}
    new = json.dumps(header).encode()
    path.write_bytes(len(new).to_bytes(8, "little") + new + content[8 + size :])
    return path


@pytest.mark.parametrize("key", ["ranges", "bias_shifts"])
@pytest.mark.parametrize(
    "value",
    ["", "no JSON", "5", "[]", "null", '{"conv0": "much"}', '{"conv0": NaN}', '{"conv0": Infinity}', '{"conv0": 1e400}',
     '{"conv0": -1}', '{"conv0": [[1]]}', '{"conv0": true}', DEEP, '{"conv0": ' + "9" * 5000 + "}", '{"conv0": [1]}'],
)  # fmt: skip
def test_metadata_that_lies_is_named(tmp_path: Path, key: str, value: str) -> None:
    said = complaint(load_model, str(with_metadata(tmp_path / "lies.safetensors", **{key: value})))
    assert "lies.safetensors" in said or "conv0" in said


def test_a_header_that_is_nested_too_deep_is_named(tmp_path: Path) -> None:
    path, header = tmp_path / "deep.safetensors", b'{"a":' + DEEP.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "deep.safetensors is not a safetensors file" in complaint(plan_of, str(path), F407)


# -- limits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default = 5", "expected a table"),
        ('[default]\n"cycles.total" = inf', "expected a number"),
        ('[default]\n"cycles.total" = 1e999', "expected a number"),
        ('[default]\n"cycles.total" = ' + "9" * 400, "expected a number"),
        ('[default]\n"cycles.total" = ' + "9" * 5000, "is not TOML"),
        ("x = " + DEEP, "nested too deep"),
        ('[rnnpool_face_m5]\n"cycles.total" = 5', "rnnpool_face_m5"),
        ('["rnnpool_face_m4/fsat"]\n"cycles.total" = 5', "rnnpool_face_m4/fsat"),
        ('["rnnpool_face_m4@gc"]\n"cycles.total" = 5', "rnnpool_face_m4@gc"),
        ('models = "mine"', "list of names"),
        ('["\\u001b[31m"]\n"cycles.total" = 5', r"\x1b[31m"),
        ("\udcff", "is no text in UTF-8"),
    ],
)
def test_limits_that_would_limit_nothing_are_errors(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert said in complaint(load_limits, F407, M4, path)


def test_limits_of_other_models_that_there_are_stay_silent(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text('models = ["mine"]\n[mine]\na = 1\n[rnnpool_face_quant]\na = 2\n["rnnpool_face_m4@gcc"]\na = 3\n')
    assert "a" not in load_limits(F407, M4, path)


# -- recordings

HEADER = {"format": FORMAT, "version": 1, "target": "sim", "board": F407.name, "model": M4, "preset": F407.name,
          "build_id": "b", "elf_hash": "h", "cycles": None, "images": []}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"board": 5}, {"board": "no_such"}, {"model": None}, {"model": "../nothing"}, {"images": {"a": 1}}, {"sizes": 4},
     {"sizes": {"flash_bytes": -1, "static_by_memory": {}}}, {"cycles": "nonsense"}, {"stack_bound": "x"}],
)  # fmt: skip
def test_a_recordings_header_that_lies_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "session.rec"
    path.write_text(json.dumps(HEADER | change) + "\n0 boot\n")
    complaint(replay, path)


def test_a_recordings_version_is_said_as_it_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "session.rec"
    path.write_text(json.dumps(HEADER | {"version": "1"}) + "\n0 boot\n")
    assert 'of version "1", this hil reads 1' in complaint(Recording.load, path)


@pytest.mark.parametrize("line", ["nan boot", "inf boot", "1e999 boot", "0 \x1b[31m", "0 < zz", "0", ""])
def test_a_recordings_line_that_lies_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "session.rec"
    path.write_text(json.dumps(HEADER) + f"\n{line}\n0 boot\n")
    assert "line 2" in complaint(Recording.load, path)


def test_a_recording_that_is_cut_in_its_compressed_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "session.rec.gz"
    path.write_bytes(gzip.compress(json.dumps(HEADER).encode() * 9)[:-20])
    assert "is no recording" in complaint(Recording.load, path)


# -- evaluations


def journal(path: Path, identity: dict[str, object]) -> Journal:
    with Journal(path, identity) as made:
        made.add("a.jpg", np.array([[1, 2, 30, 40, 0.75]], np.float32), 1, "hash a")
        made.add("b.jpg", np.zeros((0, 5), np.float32), 1, "hash b")
    return made


def known(path: Path, identity: dict[str, object]) -> list[str]:
    with Journal(path, identity) as found:
        return list(found.boxes)


def test_an_altered_score_in_a_journal_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    journal(path, {"way": "float"})
    assert known(path, {"way": "float"}) == ["a.jpg", "b.jpg"]
    text = path.read_text()
    assert "0.75" in text
    path.write_text(text.replace("0.75", "0.25"))
    assert known(path, {"way": "float"}) == ["b.jpg"]


def test_a_line_of_another_journal_counts_for_nothing(tmp_path: Path) -> None:
    journal(tmp_path / "one", {"way": "float"})
    journal(tmp_path / "other", {"way": "integer"})
    lines = (tmp_path / "one").read_text().splitlines()
    (tmp_path / "other").write_text("\n".join([(tmp_path / "other").read_text().splitlines()[0], *lines[1:]]))
    assert known(tmp_path / "other", {"way": "integer"}) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_byte_of_a_journal_changes_a_result(
    tmp_path_factory: pytest.TempPathFactory, at: int, by: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "results"
    whole = journal(path, {"way": "float"})
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(content)
    with Journal(path, {"way": "float"}) as found:
        assert all(np.array_equal(boxes, whole.boxes[name]) for name, boxes in found.boxes.items())


# -- ELF files


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import stub_firmware

    need("cmake", "arm-none-eabi-gcc")
    return stub_firmware.build(F407.name, tmp_path_factory.mktemp("elf") / F407.name)


def read_everything(path: Path) -> None:
    for act in (written_hash, identity, lambda p: sizes(p, F407), lambda p: check_elf(p, F407),
                lambda p: flash_image(p, F407), lambda p: load_program(p, F407)):  # fmt: skip
        try:
            act(path)
        except HilError as error:
            assert "\n" not in str(error)
    try:
        loaded = image.load(path, F407)
    except HilError:
        return
    for address, _ in loaded.parts:
        loaded.symbols.describe(address)


@pytest.mark.parametrize("seed", range(4))
def test_elf_files_with_flipped_bytes_are_read_or_named(firmware: Path, tmp_path: Path, seed: int) -> None:
    dice, whole = random.Random(seed), firmware.read_bytes()
    tables = int.from_bytes(whole[32:36], "little")  # e_shoff: the section headers are the file's end
    for n in range(12):
        content = bytearray(whole)
        for _ in range(dice.choice([1, 1, 3, 20])):
            at = dice.choice([dice.randrange(0x100), dice.randrange(tables, len(whole)), dice.randrange(len(whole))])
            content[at] ^= 1 << dice.randrange(8)
        path = tmp_path / f"{n}.elf"
        path.write_bytes(content[: dice.choice([len(content), len(content), dice.randrange(len(content))])])
        read_everything(path)


@pytest.mark.parametrize(
    ("segment", "field", "value"),
    [(0, 4, 1), (0, 16, 0xFFFF_0000), (1, 16, 0x0001_0000), (1, 4, 0x4000_0000), (0, 20, 16), (1, 12, 0x0800_0004)],
)  # fmt: skip
def test_an_elf_without_all_that_it_loads_or_with_two_things_at_one_place_is_refused(
    firmware: Path, tmp_path: Path, segment: int, field: int, value: int
) -> None:
    content = bytearray(firmware.read_bytes())
    at = int.from_bytes(content[28:32], "little") + 32 * segment + field  # e_phoff, and in a program header
    content[at : at + 4] = (value if value != 1 else len(content)).to_bytes(4, "little")
    path = tmp_path / "lies.elf"
    path.write_bytes(content)
    for act in (check_elf, flash_image, load_program, image.load):
        assert "damaged" in complaint(act, path, F407)


# -- anything


def test_json_that_says_two_things_is_none() -> None:
    assert "the key 'b' is there twice" in complaint(json_of, '{"a": {"b": 1, "c": 2, "b": 3}}', "it")


@pytest.mark.parametrize("text", ["a" + ".a" * 400_000 + " = 1", "[a" + ".a" * 400_000 + "]\nb = 1"])
def test_toml_whose_keys_would_take_hours_is_refused(text: str) -> None:
    assert "dots" in complaint(toml_of, text, "it")


@given(st.text())
def test_json_from_outside_is_json_or_a_line(text: str) -> None:
    try:
        json_of(text, "it")
    except HilError as error:
        assert "\n" not in str(error)


def test_what_is_too_large_or_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(11))
    assert "more than 10 bytes" in complaint(read_text, tmp_path / "large", 10)
    assert "cannot read" in complaint(read_text, tmp_path)
    assert "Expected `int`" in complaint(json_as, "[1, 2, true]", list[int], "it")
