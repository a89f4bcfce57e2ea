"""The files of a new project: templates filled in with a model, its board and what the plan predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from hil import zoo
from hil.board import Board
from hil.errors import HilError
from hil.files import write_bytes, write_text
from hil.firmware.cmake import output_folder
from hil.firmware.model import model_spec
from hil.firmware.planned import plan_of
from hil.firmware.programs import MissingToolError
from hil.firmware.toolchain import find_toolchain
from hil.reference import weights
from hil.reference.catalogue import Spec
from hil.reference.classifiers import ClassifierSpec
from hil.reference.photo import sample_photo, to_image

FILES = {  # where each template lands
    "README.md.j2": "README.md",
    "pytest.ini.j2": "pytest.ini",
    "test_firmware.py.j2": "test_firmware.py",
    "firmware.robot.j2": "firmware.robot",
    "limits.toml.j2": "limits.toml",
    "workflow.yml.j2": ".github/workflows/firmware.yml",
    "launch.json.j2": ".vscode/launch.json",
    "gitignore.j2": ".gitignore",
}
PHOTO = "photos/astronaut.png"
SLOWER, LARGER = 1.25, 1.1  # limits over predictions, which are for gcc and off by up to 15 % a layer

TEMPLATES = Environment(
    loader=PackageLoader("hil.project", "template"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    variable_start_string="<<",  # ${{ }} is the workflow's own
    variable_end_string=">>",
)


@dataclass(frozen=True)
class Project:
    """What was laid down. checkpoint: the user's own, beside the tests; None for a shipped model."""

    folder: Path
    files: tuple[str, ...]
    checkpoint: str | None


def lay_down(folder: Path, model: str, board: Board) -> Project:
    """Write a project into a folder, which is made where it is not there. A checkpoint of one's own is copied, with
    the file that makes its network.

    Raises HilError, and writes nothing, for a model that cannot be built for the board and where one of the files is
    there already.
    """
    spec, source = model_spec(model), zoo.find(model)
    checkpoint = None if model in zoo.names() else source.name
    facts = {"checkpoint": checkpoint, "model": checkpoint or model, "stem": Path(model).stem} | _facts(
        spec, board, plan_of(model, board)
    )
    texts = {name: TEMPLATES.get_template(template).render(facts) for template, name in FILES.items()}
    code = weights.code_of(source) if checkpoint else None
    copied = ({checkpoint: source.read_bytes()} if checkpoint else {}) | dict([code] if code else [])
    files = (*texts, PHOTO, *copied)
    if there := [name for name in files if (folder / name).exists()]:
        raise HilError(f"{folder} has {', '.join(there)} already: name another folder, or move them away")
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, content in copied.items():
        write_bytes(folder / name, content)
    write_bytes(folder / PHOTO, _png(sample_photo(spec)))
    return Project(folder, tuple(sorted(files)), checkpoint)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    image = BytesIO()
    to_image(pixels).save(image, "png")
    return image.getvalue()


def _facts(spec: Spec, board: Board, plan: dict[str, Any]) -> dict[str, object]:
    """What the templates tell of a network on a board."""
    chosen = next(point for point in plan["curve"] if point["chosen"])
    cycles, ram = chosen["predicted_cycles"], chosen["ram_bytes"]
    return {
        "network": spec.name,
        "is_classifier": isinstance(spec, ClassifierSpec),
        "board": board,
        "built": _built(board),
        "photo": PHOTO,
        "predicted_cycles": f"{cycles:_}",
        "predicted_ram": f"{ram:_}",
        "cycles_limit": f"{math.ceil(cycles * SLOWER / 1e5) * 100_000:_}",
        "ram_limit": f"{math.ceil(ram * LARGER / 1024) * 1024:_}",
    }


def _built(board: Board) -> str:
    """The folder of the firmware that the compiler found here makes; where there is none yet, gcc's."""
    try:
        family = find_toolchain().family
    except MissingToolError:
        family = "gcc"
    return output_folder(Path(), board.name, "fast", family).name
