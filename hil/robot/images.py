"""Keywords that send images to the board."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from robot.api import logger
from robot.api.deco import keyword

from hil.bench.run import Run, Subject
from hil.files import write_text, writing
from hil.gate.origin import origin
from hil.gate.results import as_text, with_origin
from hil.reference.photo import Photo, load_photo, to_image
from hil.robot import log
from hil.robot.stage import Stage, note_measurements, output_folder, test_name
from hil.suite.photos import NAMES, photo


class ImageKeywords:
    """Images, one at a time."""

    stage: Stage

    @keyword
    def stream_image(self, image: str, fit: bool = True) -> Run:
        """Sends an image to the board tile by tile and compares every layer and every box with the references.

        ``image``: the path of a photo, or one of those that come with the bench: astronaut, camera, chelsea, coffee,
        rocket, coins, page, and the extremes black, white, noise, checkerboard, ramp. ``fit``: bring a photo of
        another size to the network's.

        Does not judge: the keywords that end in ``Should ...`` do. Returns the run, whose fields are those of
        run.json. The image as it was sent and its run.json are put beside log.html, in images/, which ``hil compare``
        takes; its measurements are metadata of the suite.

        | Stream Image    astronaut
        | Stream Image    ${CURDIR}/family.jpg
        | ${run} =        Stream Image    black
        | Should Be Empty    ${run.detections}
        """
        bench = self.stage.bench
        sent = _kept(self._photo(image, fit), Path(image).stem)
        run = bench.run(sent)
        self.stage.subject = Subject(run, sent.pixels, bench.firmware.plan, bench.firmware.board)
        assert sent.path is not None, "it was kept"
        found = with_origin(run.to_json(), origin(Path.cwd()), test_name())
        write_text(sent.path.with_suffix(f".{run.target}.json"), as_text(found))
        note_measurements(found)
        logger.info(log.whole(self.stage.subject), html=True)
        return run

    def _photo(self, image: str, fit: bool) -> Photo:
        spec = self.stage.firmware.network.spec
        return photo(image, spec) if image in NAMES else load_photo(Path(image), spec, fit)


def _kept(sent: Photo, name: str) -> Photo:
    """The photo as a file beside the log, so that `hil run` can send the same pixels again."""
    path = output_folder() / "images" / f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)}-{sent.sha256[:8]}.png"
    with writing(path) as file:
        to_image(sent.pixels).save(file, "PNG")
    return replace(sent, path=path, fitted=False)
