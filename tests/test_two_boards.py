"""A camera and a detector in one emulation: photos from flash, over a UART hub, through the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import stub_firmware
from board_programs import DISCO

from hil.bench import two_boards
from hil.errors import HilError

pytestmark = pytest.mark.xdist_group("renode")
PHOTOS = 2


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub network's firmware, and a camera with two photos for it."""
    folder = tmp_path_factory.mktemp("two_boards")
    detector = stub_firmware.build(DISCO.name, folder / "detector")
    photos = [stub_firmware.random_image(seed) for seed in range(PHOTOS)]
    return two_boards.write_project(DISCO, detector, photos, folder / "project").parent


def test_the_project_is_all_that_renode_needs(project: Path) -> None:
    script = (project / "two_boards.resc").read_text()
    assert {"camera.elf", "detector.elf", f"{DISCO.name}.repl", "Stm32f4Dma.cs"} <= {p.name for p in project.iterdir()}
    assert script.count("connector Connect sysbus.usart2 line") == 2


@pytest.mark.usefixtures("renode_here")
def test_the_detector_finds_in_the_cameras_photos_what_it_should(project: Path) -> None:
    played = two_boards.play(project, PHOTOS, patience_s=3)
    expected = [stub_firmware.expected_boxes(stub_firmware.random_image(seed)) for seed in range(PHOTOS)]
    assert played.detections == expected
    assert played.repeated == 0


def test_photos_that_the_camera_cannot_hold_are_refused(tmp_path: Path) -> None:
    photo = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(HilError, match="1 to 8 photos of one size, not 9 of 1 sizes"):
        two_boards.write_project(DISCO, tmp_path, [photo] * 9, tmp_path)
    with pytest.raises(HilError, match="not 2 of 2 sizes"):
        two_boards.write_project(DISCO, tmp_path, [photo, photo[:1]], tmp_path)
