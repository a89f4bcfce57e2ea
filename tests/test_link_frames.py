"""The frame codec: golden vectors, in Python and in C, and what must hold for every frame."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stub_firmware import REPOSITORY, need

from hil.link.frames import LONGEST_WIRE_BYTES, Damage, Decoder, Frame, encode, wire_bytes

GOLDEN = REPOSITORY / "tests" / "golden" / "frames.txt"
FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=600))


def golden(kind: str) -> list[list[str]]:
    return [words[1:] for words in map(str.split, GOLDEN.read_text().splitlines()) if words[:1] == [kind]]


def decode(data: bytes) -> list[Frame | Damage]:
    return list(Decoder().feed(data))


@pytest.mark.parametrize(("name", "type", "sequence", "payload", "wire"), golden("frame"))
def test_golden_frames(name: str, type: str, sequence: str, payload: str, wire: str) -> None:
    frame = Frame(int(type, 16), int(sequence), bytes.fromhex(payload.replace("-", "")))
    assert encode(frame).hex() == wire
    assert decode(bytes.fromhex(wire)) == [frame]


@pytest.mark.parametrize(("name", "wire"), golden("damaged"))
def test_golden_damage(name: str, wire: str) -> None:
    decoder = Decoder()
    pieces = list(decoder.feed(bytes.fromhex(wire)))
    assert pieces and all(isinstance(piece, Damage) for piece in pieces)
    after = Frame(4, 7)
    assert list(decoder.feed(encode(after))) == [after]


def compile_c_test(folder: Path) -> Path:
    need("cc")
    program = folder / "test_frames"
    sources = [REPOSITORY / "tests" / "c" / "test_frames.c", REPOSITORY / "firmware_src" / "app" / "frame.c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    include = f"-I{REPOSITORY / 'firmware_src' / 'include'}"
    subprocess.run(["cc", *flags, include, *map(str, sources), "-o", str(program)], check=True)
    return program


def test_golden_frames_in_c(tmp_path: Path) -> None:
    done = subprocess.run([compile_c_test(tmp_path), GOLDEN], capture_output=True, text=True)
    vectors = len(golden("frame")) + len(golden("damaged"))
    assert done.stdout == f"{vectors} vectors, 0 failures\n", done.stdout + done.stderr
    assert done.returncode == 0


def test_the_c_test_sees_a_wrong_vector(tmp_path: Path) -> None:
    wrong = tmp_path / "frames.txt"
    first = next(line for line in GOLDEN.read_text().splitlines() if line.startswith("frame "))
    wrong.write_text(first.replace(" 1 -", " 2 -") + "\n")
    assert subprocess.run([compile_c_test(tmp_path), wrong], capture_output=True).returncode == 1


@given(FRAMES)
def test_round_trip(frame: Frame) -> None:
    wire = encode(frame)
    assert decode(wire) == [frame]
    assert 0 not in wire[1:-2]
    assert len(wire) <= wire_bytes(len(frame.payload))


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 4000), max_size=8))
def test_pieces_may_be_cut_anywhere(frames: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(map(encode, frames))
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    decoder = Decoder()
    found = [f for start, end in zip(edges, edges[1:], strict=False) for f in decoder.feed(wire[start:end])]
    assert found == frames


@given(FRAMES, st.data())
def test_a_burst_of_damage_is_detected(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame))
    start = data.draw(st.integers(1, len(wire) - 3))
    burst = data.draw(st.binary(min_size=1, max_size=4))
    damaged = bytes(wire[:start] + bytes(a ^ b for a, b in zip(wire[start:-2], burst, strict=False)))
    damaged += bytes(wire[len(damaged) :])
    assume(damaged != bytes(wire))
    assert frame not in decode(damaged)
    assert all(isinstance(piece, Damage) for piece in decode(damaged))


@given(FRAMES, st.binary(max_size=300))
def test_noise_before_a_frame_does_not_spoil_it(frame: Frame, noise: bytes) -> None:
    assert decode(noise + encode(frame))[-1] == frame


def test_a_line_that_never_delimits_is_damage_and_bounded() -> None:
    decoder = Decoder()
    found = [piece for _ in range(10) for piece in decoder.feed(b"\x55" * LONGEST_WIRE_BYTES)]
    assert found and all(isinstance(piece, Damage) for piece in found)
