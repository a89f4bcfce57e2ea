"""Fixtures that all host tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import stub_firmware

from hil import board, targets
from hil.errors import HilError
from hil.reference import found
from hil.targets.base import Target
from hil.targets.pyrenode.find import Installation, find

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data (faces/, vww/, vectors/), which is not part of the repository.

    Looked for in $HIL_DATA, then in ../shared/data beside the checkout. Skips the test where it is absent.
    """
    path = Path(os.environ.get("HIL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (path / "README.md").exists():
        pytest.skip(
            f"needs the third-party data folder (WIDER FACE, oracles): none at {path.name}/, set HIL_DATA to it"
        )
    return path


@pytest.fixture(autouse=True)
def no_network_of_another_test() -> Iterator[None]:
    """A command that a test ran in this process may have left its `--network` in the environment."""
    yield
    os.environ.pop(found.VARIABLE, None)


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A user's folder: two photos, a folder of photos, a checkpoint of their own without ranges."""
    from PIL import Image
    from skimage import data

    from hil import zoo
    from hil.reference import weights

    (tmp_path / "photos").mkdir()
    for i, name in enumerate(("astronaut", "coffee", "rocket")):
        Image.fromarray(getattr(data, name)()).save(tmp_path / ("photos" if i else ".") / f"{name}.jpg")
    shutil.copy(tmp_path / "astronaut.jpg", tmp_path / "photo.jpg")
    weights.save(weights.load(zoo.find("rnnpool_face_m4")), tmp_path / "mine.safetensors")
    return tmp_path


@pytest.fixture(scope="session")
def stub_native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub firmware as a program for this computer."""
    return stub_firmware.build("native", tmp_path_factory.mktemp("stub") / "native")


@pytest.fixture(scope="session", params=["stm32f407_disco", "stm32f429_disco"])
def stub_board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A board's name and the stub firmware for it."""
    return request.param, stub_firmware.build(request.param, tmp_path_factory.mktemp("stub") / request.param)


@pytest.fixture(scope="session")
def renode_here() -> Installation:
    """The Renode of this machine. Skips the test where there is none, with the command that brings it."""
    try:
        return find()
    except HilError as error:
        pytest.skip(str(error))


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user reaches; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="hil-test-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def stub_on_sim(stub_board: tuple[str, Path]) -> Iterator[Target]:
    """The stub firmware, booted on the simulated board."""
    name, elf = stub_board
    with targets.create("sim", board.load(name)) as sim:
        sim.boot(elf)
        yield sim


@pytest.fixture
def stub_on_renode(renode_here: Installation, stub_board: tuple[str, Path], tmp_path: Path) -> Iterator[Target]:
    """The stub firmware, booted on Renode; what a crash leaves goes to tmp_path / "kept"."""
    name, elf = stub_board
    with targets.create("renode", board.load(name), kept=tmp_path / "kept") as renode:
        renode.boot(elf)
        yield renode
