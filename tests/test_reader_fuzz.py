"""Readers of other people's files, fed with mutants of sound ones: each is read, or is a HilError of one line."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil import board, zoo
from hil.bench.limits import load_limits
from hil.board.describe import load_folder
from hil.errors import HilError
from hil.evaluation import official
from hil.reference import weights
from hil.targets.recording import FORMAT, Recording
from hil.training.people import read_labels
from hil.training.wider import read_annotations

F407 = board.load("stm32f407_disco")
WIDER = b"0--Parade/a.jpg\n2\n10 20 30 40 0 0 0 0 0 0\n50 60 7 8 0 0 0 1 0 0\n0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
PEOPLE = json.dumps(
    {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "category_id": 1}]}
).encode()
SESSION = (
    json.dumps({"format": FORMAT, "version": 1, "board": "b"}) + "\n0.0 boot\n0.1 > 0001\n0.2 < 00\n0.3 -\n"
).encode()
LIMITS = b'[default]\n"ram.heap_used" = 0\n[rnnpool_face_m4]\n"cycles.total" = { limit = 5, required = true }\n'


def cell(*items: object) -> np.ndarray:
    """A MATLAB cell array."""
    found = np.empty((len(items), 1), object)
    for i, item in enumerate(items):
        found[i, 0] = item
    return found


def mat(**fields: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, fields)
    return stream.getvalue()


LISTING = mat(
    event_list=cell("0--Parade"), file_list=cell(cell("a")), face_bbx_list=cell(cell(np.array([[1.0, 2, 3, 4]])))
)
CHOSEN = mat(gt_list=cell(cell(np.array([[1]]))))


def read_mat(folder: Path, content: bytes) -> None:
    truth = folder / "ground_truth"
    truth.mkdir(exist_ok=True)
    for name in official.DIFFICULTIES:
        (truth / f"wider_{name}_val.mat").write_bytes(CHOSEN)
    (truth / "wider_face_val.mat").write_bytes(content)
    official.load_ground_truth(folder)


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], None]:
    def act(folder: Path, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        read(path)

    return act


def checkpoint(path: Path) -> None:
    weights.metadata(path)


SOUND: dict[str, tuple[bytes, Callable[[Path, bytes], None]]] = {
    "limits": (LIMITS, in_file("limits.toml", lambda path: load_limits(F407, "rnnpool_face_m4", path))),
    "board": (
        (F407.folder / "board.toml").read_bytes(),
        in_file("b/board.toml", lambda path: load_folder(path.parent)),
    ),
    "recording": (SESSION, in_file("session.rec", Recording.load)),
    "compressed recording": (gzip.compress(SESSION, mtime=0), in_file("session.rec.gz", Recording.load)),
    "wider": (
        WIDER,
        in_file("wider_face_split/wider_face_val_bbx_gt.txt", lambda path: read_annotations(path.parent.parent, "val")),
    ),
    "people": (PEOPLE, in_file("annotations/instances_val.json", lambda path: read_labels(path.parent.parent, "val"))),
    "ground truth": (LISTING, read_mat),
    "checkpoint": (zoo.find("rnnpool_face_m4").read_bytes()[:9000], in_file("a.safetensors", checkpoint)),
}
edits = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(("flip", "cut", "double", "insert")), st.binary(min_size=1, max_size=9)),
    min_size=1, max_size=4,
)  # fmt: skip
EXAMPLES = {"ground truth": 6}  # each costs a process
WORDS = (b"nan", b"inf", b"-1", b"9" * 400, b"null", b"[" * 2000, b'"', b"\0", b"\xff", b"1e999", b"\n", b"{}", b"true")


def mutant(content: bytes, changes: list[tuple[float, str, bytes]], word: bytes | None) -> bytes:
    for where, kind, data in changes:
        at = int(where * len(content))
        middle = word if word is not None and kind == "insert" else data
        content = {
            "flip": content[:at]
            + bytes(a ^ b for a, b in zip(content[at:], data, strict=False))
            + content[at + len(data) :],
            "cut": content[:at] + content[at + 8 * len(data) :],
            "double": content[: at + 20] + content[at:],
            "insert": content[:at] + middle + content[at:],
        }[kind]
    return content


@pytest.mark.parametrize("name", SOUND)
def test_a_mutant_of_a_file_is_read_or_named(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    content, read = SOUND[name]
    folder = tmp_path_factory.mktemp("mutants")

    @settings(
        max_examples=EXAMPLES.get(name, 60), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(edits, st.none() | st.sampled_from(WORDS))
    def run(changes: list[tuple[float, str, bytes]], word: bytes | None) -> None:
        try:
            read(folder, mutant(content, changes, word))
        except HilError as error:
            assert "\n" not in str(error)

    run()


def test_a_file_on_which_scipys_reader_crashes_is_named(tmp_path: Path) -> None:
    """A cell's header with a byte changed, at which scipy 1.17 ends by a segmentation fault."""
    content = bytearray(LISTING)
    content[236] ^= 0xFF
    with pytest.raises(HilError, match="wider_face_val.mat is not a MATLAB file that can be read"):
        read_mat(tmp_path, bytes(content))


@pytest.mark.parametrize("name", [name for name in SOUND if name not in ("people", "checkpoint")])
def test_the_sound_file_is_read(name: str, tmp_path: Path) -> None:
    content, read = SOUND[name]
    read(tmp_path, content)
