"""The library that suites import."""

from __future__ import annotations

from pathlib import Path

from robot import result as model_of_result
from robot import running
from robot.api.deco import library

from hil.robot.board import BoardKeywords
from hil.robot.images import ImageKeywords
from hil.robot.judgements import JudgementKeywords
from hil.robot.line import LineKeywords
from hil.robot.stage import Stage


@library(scope="GLOBAL", auto_keywords=False, doc_format="ROBOT")
class HilLibrary(BoardKeywords, ImageKeywords, JudgementKeywords, LineKeywords):
    """Tests of RNNPool networks as firmware, on an emulated or a real STM32F4 or on this computer.

    A suite boots a board, streams images to it and says what should be true of what comes back:

    | *** Settings ***
    | Library           hil.robot.HilLibrary    target=${TARGET}
    | Suite Setup       Boot Board
    | Suite Teardown    Switch Board Off
    |
    | *** Test Cases ***
    | The Face Is Found
    |     Stream Image    astronaut
    |     Detections Should Match Reference
    |     Box Should Be Found At    119    26    169    81
    |     Cycles Should Be Below    300 000 000

    The same suite runs on every target: ``robot --variable TARGET:native robot_tests/``. A keyword that asks for what
    a target cannot know, such as the cycles of the computer's own build, skips its test and says why. So does a target
    that this computer lacks, with the command that brings it.

    What a run found (the photo with its boxes, cycles a layer, memory) is shown in log.html under `Stream Image`, and
    again under a keyword that fails. A test that fails leaves a bundle in failures/ beside log.html, for ``hil show``
    and ``hil replay``.
    """

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(
        self,
        target: str = "sim",
        board: str = "stm32f407_disco",
        model: str = "rnnpool_face_m4",
        at: str | None = None,
        limits: Path | None = None,
    ) -> None:
        """Where tests run.

        | *Argument* | *Meaning* |
        | ``target`` | ``sim``, ``native``, ``renode`` or ``serial`` |
        | ``board``  | a folder of platforms/ |
        | ``model``  | a shipped model's name, or the path of a checkpoint |
        | ``at``     | for ``serial``: how the board is reached, as for ``hil run --at`` |
        | ``limits`` | a TOML file laid over the board's limits |
        """
        self.stage = Stage(target, board, model, at or None, limits)
        self.ROBOT_LIBRARY_LISTENER = self

    def end_test(self, data: running.TestCase, result: model_of_result.TestCase) -> None:
        """Called by Robot: a test that failed leaves a bundle, which its message names."""
        if result.failed and (path := self.stage.bundle(result.full_name, result.message)):
            result.message += f"\n\nAll about it: hil show {path}"
